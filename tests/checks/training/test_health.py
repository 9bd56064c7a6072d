"""Each gate on a healthy log and on one with its fault planted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny import save_tiny_adapter

from harness.checks.training import gradients, health
from harness.config import TrainingThresholds
from harness.gates import BoundRule
from harness.records import TrainingPoint
from harness.training import TrainingSummary
from harness.training.history import TrainingHistory

RULES = TrainingThresholds()
STEPS = 20
SUMMARY = TrainingSummary(
    duration_s=1.0, steps=STEPS, best_step=STEPS, best_eval_loss=0.5, trainable_params=10, trainable_share=0.01, rows=98,
    validation_rows=8, truncated_rows=0, longest_row_tokens=90, stop_reason="completed", peak_memory_bytes=None,
    device="cpu", dtype="float32",
)  # fmt: skip


def made(
    losses: Sequence[float] = tuple(3.0 * 0.85**i for i in range(STEPS)),
    norms: Sequence[float] = (0.5,) * STEPS,
    rates: Sequence[float] = tuple(1e-4 * (1 - i / STEPS) for i in range(STEPS)),
    **changes: Any,
) -> TrainingHistory:
    points = [
        TrainingPoint(i + 1, loss=loss, grad_norm=norm, learning_rate=rate)
        for i, (loss, norm, rate) in enumerate(zip(losses, norms, rates, strict=True))
    ]
    history = TrainingHistory(
        "training_log.json", tuple(points), STEPS, STEPS, STEPS, {"learning_rate": 1e-4, "max_grad_norm": 1.0}, SUMMARY
    )
    return replace(history, **changes)


def spiked() -> list[float]:
    losses = [3.0 * 0.85**i for i in range(STEPS)]
    losses[12] = 9.0
    return losses


GATES: dict[str, tuple[Callable[[TrainingHistory], Any], TrainingHistory]] = {
    "finite_log": (health.log_is_finite, made(norms=[0.5] * 19 + [math.nan])),
    "loss_drop/at_least": (
        lambda h: health.loss_falls(h).at_least(RULES.loss_drop),
        made([2.0, 2.1] * 10),
    ),
    "plateau_share/at_most": (
        lambda h: health.learns_from_the_start(h).at_most(RULES.plateau_share),
        made([3.0] * 14 + [2.0, 1.0, 0.9, 0.8, 0.7, 0.6]),
    ),
    "spike_share/at_most": (lambda h: health.loss_does_not_spike(h).at_most(RULES.spike_share), made(spiked())),
    "spike_height/at_most": (lambda h: health.no_jump_is_high(h).at_most(RULES.spike_height), made(spiked())),
    "loss_rise/at_most": (
        lambda h: health.loss_stays_low(h).at_most(RULES.loss_rise),
        made([2.5 - 0.15 * i for i in range(10)] + [1.0 + 0.13 * i for i in range(10)]),
    ),
    "largest_gradient/at_most": (
        lambda h: _known(gradients.largest_gradient(h)).at_most(RULES.largest_gradient),
        made(norms=[0.5] * 10 + [300.0] + [0.5] * 9),
    ),
    "median_gradient/at_least": (
        lambda h: _known(gradients.median_gradient(h)).at_least(RULES.median_gradient),
        made(norms=[1e-5] * STEPS),
    ),
    "learning_rate_deviation/at_most": (
        lambda h: _known(health.learning_rate_keeps_to_plan(h)).at_most(RULES.learning_rate_deviation),
        made(rates=[1e-4] * STEPS),
    ),
    "truncated_share/at_most": (
        lambda h: _known(health.truncated_share(h)).at_most(RULES.truncated_share),
        made(summary=replace(SUMMARY, truncated_rows=5)),
    ),
    "masked_share/at_most": (
        lambda h: _known(health.masked_share(h)).at_most(RULES.masked_share),
        made(summary=replace(SUMMARY, masked_rows=2)),
    ),
    "kept_share/at_least": (
        lambda h: _known(health.kept_share(h)).at_least(RULES.kept_share),
        made(kept_step=1),
    ),
}


def _known(scalar: Any) -> Any:
    assert scalar is not None
    return scalar


@pytest.mark.parametrize("name", GATES)
def test_the_gate_passes_a_healthy_log_and_fails_its_fault_with_a_remedy(name: str) -> None:
    gate, faulty = GATES[name]
    healthy = gate(made()).decide()
    assert (healthy.gate, healthy.outcome, healthy.remedy) == (name, "pass", "")
    caught = gate(faulty).decide()
    assert (caught.outcome, bool(caught.remedy)) == ("fail", True), caught.reason


def test_two_uneven_batches_of_a_short_log_are_told_and_forgiven() -> None:
    def log(*jumps: int, height: float = 1.2) -> TrainingHistory:
        losses = [2.0] * 3 + [height if step in jumps else 0.1 for step in range(3, 60)]
        return made(losses, norms=(0.5,) * 60, rates=(1e-4,) * 60)

    forgiven = health.loss_does_not_spike(log(25, 40))
    assert (forgiven.value, len(forgiven.details["spikes"])) == (0.0, 2)
    assert health.loss_does_not_spike(log(25, 40, 55)).value == 3 / 60
    assert health.loss_does_not_spike(log(30, height=2.6)).value == 1 / 60


def long_log(loss_at: Callable[[int], float], steps: int = 100, **changes: Any) -> TrainingHistory:
    return made(
        [loss_at(i) for i in range(steps)], (0.5,) * steps, (1e-4,) * steps,
        steps=steps, kept_step=steps, planned_steps=steps, **changes,
    )  # fmt: skip


def test_one_jump_far_above_the_start_fails_by_its_height_in_a_log_of_any_length() -> None:
    for steps in (100, 1000):
        jumped = long_log(lambda i: 9.0 if i == 50 else 1.0 + 1.5 * 0.95**i, steps)
        assert health.loss_does_not_spike(jumped).at_most(RULES.spike_share).decide().outcome == "pass"
        verdict = health.no_jump_is_high(jumped).at_most(RULES.spike_height).decide()
        assert (verdict.outcome, verdict.details["step"]) == ("fail", 51)


def test_a_loss_that_rose_after_the_kept_weights_is_no_fault_of_theirs() -> None:
    rising = long_log(lambda i: 2.5 - 0.03 * i if i < 50 else 1.0 + 0.024 * (i - 50))
    assert health.loss_stays_low(rising).at_most(RULES.loss_rise).decide().outcome == "fail"
    assert health.loss_stays_low(replace(rising, kept_step=50)).at_most(RULES.loss_rise).decide().outcome == "pass"


def scaled(*skipped: int, loss: float = 1.0) -> TrainingHistory:
    """A hundred steps, of which these (from 1) have an infinite gradient norm."""
    history = long_log(lambda i: loss)
    points = [replace(p, grad_norm=math.inf) if p.step in skipped else p for p in history.points]
    return replace(history, points=tuple(points))


def test_the_first_steps_of_dynamic_loss_scaling_are_told_and_forgiven() -> None:
    forgiven = health.log_is_finite(scaled(1, 2, 5))
    assert forgiven.holds and forgiven.details["skipped_by_loss_scaling"] == [1, 2, 5]
    assert "loss scaling" in forgiven.reason
    late = health.log_is_finite(scaled(1, 6))
    assert not late.holds and late.details["not_finite"] == [{"step": 6, "quantity": "grad_norm", "value": "inf"}]
    assert not health.log_is_finite(scaled(1, loss=math.inf)).holds
    assert health.log_is_finite(made(norms=[math.inf] + [0.5] * 19)).holds
    assert health.log_is_finite(made(norms=[math.nan] + [0.5] * 19)).holds
    assert not health.log_is_finite(made(norms=[math.nan] * 20)).holds  # no step was taken well


def test_loss_scaling_skips_a_step_every_two_thousand_and_no_more() -> None:
    once, twice = (
        replace(long, points=tuple(replace(p, step=25 * p.step) for p in long.points), steps=2500)
        for long in (scaled(60), scaled(60, 70))
    )
    assert health.log_is_finite(once).holds
    assert health.log_is_finite(twice).details["not_finite"][0]["step"] == 25 * 70


def test_what_is_learnt_needs_no_gradient() -> None:
    learnt = [(1.0 if i < 20 else 0.001, 0.5 if i < 20 else 1e-6) for i in range(100)]
    history = made([loss for loss, _ in learnt], tuple(norm for _, norm in learnt), (1e-4,) * 100)
    norm = gradients.median_gradient(history)
    assert norm is not None and norm.value == 0.5
    dead = gradients.median_gradient(made([1.0] * 100, (1e-6,) * 100, (1e-4,) * 100))
    assert dead is not None and dead.at_least(RULES.median_gradient).decide().outcome == "fail"


def test_faults_are_named_by_their_steps() -> None:
    assert "grad_norm is nan at step 20" in health.log_is_finite(GATES["finite_log"][1]).reason
    assert "jumps at step 13" in health.loss_does_not_spike(made(spiked())).remedy
    norm = gradients.largest_gradient(GATES["largest_gradient/at_most"][1])
    assert norm is not None and "longest at step 11" in norm.remedy


def test_rules_of_thumb_are_hints_and_fail_nothing() -> None:
    norm = _known(gradients.largest_gradient(made(norms=[30.0] * STEPS)))
    assert norm.at_most(RULES.largest_gradient).decide().outcome == "pass"
    assert len(norm.details["hints"]) == 2 and norm.details["clipped_share"] == 1.0
    assert "hints" not in _known(gradients.largest_gradient(made())).details
    assert "memorising" in health.loss_falls(made()).details["hints"][0]
    early = replace(SUMMARY, stop_reason="early_stopping")
    kept = _known(health.kept_share(made(summary=early, steps=12, kept_step=10)))
    assert kept.details["hints"] == ["stopped early, at step 12 of 20"]


def test_what_another_trainer_s_log_does_not_say_is_not_judged() -> None:
    foreign = made(trainer=None, summary=None, planned_steps=None)
    assert health.learning_rate_keeps_to_plan(foreign) is None
    assert health.truncated_share(foreign) is None and health.masked_share(foreign) is None
    assert health.kept_share(foreign) is None
    bare = replace(foreign, points=(TrainingPoint(1, loss=1.0),))
    assert gradients.largest_gradient(bare) is None and gradients.median_gradient(bare) is None


def test_trained_parameters_are_counted_in_the_files(tiny_model_dir: Path, tmp_path: Path) -> None:
    small = health.trainable_share(save_tiny_adapter(tiny_model_dir, tmp_path / "small", rank=1), tiny_model_dir)
    large = health.trainable_share(save_tiny_adapter(tiny_model_dir, tmp_path / "large", rank=32), tiny_model_dir)
    rules: list[BoundRule] = [_known(one).at_most(RULES.trainable_share) for one in (small, large)]
    assert [rule.decide().outcome for rule in rules] == ["pass", "fail"]
    assert _known(large).value == pytest.approx(32 * _known(small).value)
    assert health.trainable_share(tmp_path / "small", tmp_path) is None
