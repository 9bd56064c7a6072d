"""Logs of real trainings by each method: the healthy ones pass every gate of theirs, and each fault is told by its own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from method_logs import names, trained, with_values

from harness.checks import overfitting, training
from harness.config import OverfittingThresholds, TrainingThresholds
from harness.gates.scalar import Gateable
from harness.records import Outcome
from harness.training.history import TrainingHistory

RULES, OVERFITTING = TrainingThresholds(), OverfittingThresholds()
HEALTHY = ("dpo", "ipo", "simpo", "cpo", "orpo", "kto", "reward", "grpo", "rloo", "online_dpo", "dft")


def gates(history: TrainingHistory) -> dict[str, Gateable | None]:
    """Every gate of rewards and preferences, and those of gradients; None where the log has nothing for it."""
    scalars = {
        "chosen": (training.chosen_fall(history), "at_most", RULES.chosen_logps_fall),
        "by length": (training.paid_for_length(history), "at_most", RULES.reward_by_length),
        "entropy": (training.entropy_left(history), "at_least", RULES.entropy_left),
        "held-out margin": (overfitting.held_out_margin(history), "at_least", OVERFITTING.held_out_margin),
        "held-out reward": (overfitting.held_out_reward(history), "at_least", OVERFITTING.held_out_reward),
        "largest gradient": (training.largest_gradient(history), "at_most", RULES.largest_gradient),
        "median gradient": (training.median_gradient(history), "at_least", RULES.median_gradient),
    }
    return {
        **training.method_gates(history, RULES),
        **{name: getattr(scalar, rule)(limit) if scalar else None for name, (scalar, rule, limit) in scalars.items()},
        "held-out accuracy": overfitting.held_out_accuracy(history, OVERFITTING.preference_accuracy),
        "accuracy gap": overfitting.accuracy_gap(history, OVERFITTING.preference_gap),
        "finite": training.log_is_finite(history),
        "zeros": training.losses_are_not_zero(history),
    }


def outcomes(history: TrainingHistory) -> dict[str, Outcome]:
    return {name: gate.decide().outcome for name, gate in gates(history).items() if gate is not None}


def at_the_end(name: str) -> TrainingHistory:
    """With the last weights kept, whatever evaluations said."""
    history = trained(name)
    return replace(history, kept_step=history.steps)


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_training_passes_whatever_its_method_logs(name: str) -> None:
    found = outcomes(trained(name))
    assert set(found.values()) == {"pass"}, found


@pytest.mark.parametrize("name", [name for name in names() if name != "dft"])
def test_the_loss_of_a_method_of_preferences_or_rewards_gates_nothing(name: str) -> None:
    history = trained(name)
    assert not history.method.loss_is_cross_entropy
    assert training.losses_are_not_zero(history) is None
    assert history.method.keys


@pytest.mark.parametrize(
    ("name", "fails"),
    [
        ("dpo_fast", {"chosen"}),
        ("dpo_swapped", {"held-out accuracy", "accuracy gap"}),
        ("kto_inverted", {"held-out margin"}),
        ("reward_length", {"accuracy gap"}),
        ("grpo_length", {"by length", "share of cut answers"}),
        ("grpo_collapse", {"entropy", "share of cut answers"}),
    ],
)
def test_a_fault_that_was_trained_for_real_fails_its_gates(name: str, fails: set[str]) -> None:
    found = outcomes(at_the_end(name))
    assert {gate for gate, outcome in found.items() if outcome == "fail"} == fails


@pytest.mark.parametrize("name", ["dpo_swapped", "kto_inverted", "reward_length"])
def test_no_checkpoint_of_it_passes_for_being_early(name: str) -> None:
    history = trained(name)
    assert history.kept_step < history.steps
    assert "fail" in outcomes(history).values()


def test_a_fall_is_in_nats_a_token_where_answers_were_counted() -> None:
    counted, guessed = (
        training.chosen_fall(trained("dpo_fast", summary=summary)) for summary in (trained("dpo_fast").summary, None)
    )
    assert counted is not None and guessed is not None
    assert counted.value == pytest.approx(guessed.value * 25 / trained("dpo_fast").summary.answer_tokens)  # type: ignore
    assert counted.details["start"] == pytest.approx(-2, abs=1.5)
    assert counted.details["end"] < -80


@pytest.mark.parametrize("beta", [0.01, 0.1, 1.0])
def test_a_beta_that_the_log_does_not_tell_is_found_in_it(beta: float) -> None:
    history = trained("dpo_fast", summary=None)
    fall = training.chosen_fall(with_values(history, "rewards/chosen", lambda reward: 10 * beta * reward))
    assert fall is not None
    assert fall.value == pytest.approx(3.6, abs=0.2)


def test_a_method_without_reference_is_held_against_its_own_start() -> None:
    for name, key, change in (
        ("orpo", "logps/chosen", lambda logp: 20 * logp),
        ("simpo", "logps/chosen", lambda logp: 20 * logp),
        ("cpo", "nll_loss", lambda nll: 20 * nll),
    ):
        history = trained(name)
        half = history.steps // 2
        series = [(step, change(value) if step > half else value) for step, value in history.logged[key]]
        fall = training.chosen_fall(replace(history, logged={**history.logged, key: series}))
        assert fall is not None and fall.at_most(RULES.chosen_logps_fall).decide().outcome == "fail", name


def test_a_reward_for_shorter_answers_is_no_reward_for_length() -> None:
    history = at_the_end("grpo_length")
    turned = with_values(with_values(history, "reward", lambda r: -r), "completions/mean_length", lambda n: 40 - n)
    shorter = with_values(history, "completions/mean_length", lambda n: 40 - n)
    found = [training.paid_for_length(one) for one in (turned, shorter)]
    assert [one and one.value for one in found] == [0.0, 0.0]


def without_correlation(history: TrainingHistory) -> TrainingHistory:
    """As others' trainers log it."""
    return replace(history, logged={k: v for k, v in history.logged.items() if k != "reward_length_correlation"})


def test_other_trainers_logs_tell_a_reward_for_length_by_steps_that_follow_each_other() -> None:
    found = outcomes(without_correlation(at_the_end("grpo_length")))
    assert found["by length"] == "fail"


@pytest.mark.parametrize("logs_correlation", [True, False])
def test_a_better_answer_that_is_longer_too_is_not_paid_for_its_length(logs_correlation: bool) -> None:
    history = at_the_end("grpo") if logs_correlation else without_correlation(at_the_end("grpo"))
    lengths = [(step, 10.0 + step + 3 * (step % 3)) for step, _ in history.logged["reward"]]
    share = training.paid_for_length(replace(history, logged={**history.logged, "completions/mean_length": lengths}))
    assert share is not None and share.value < RULES.reward_by_length / 2


def test_answers_that_were_certain_before_have_no_entropy_to_lose() -> None:
    assert training.entropy_left(with_values(trained("grpo_collapse"), "entropy", lambda e: e / 20)) is None


def test_a_reward_that_rises_on_training_prompts_alone_is_told() -> None:
    history = at_the_end("grpo")
    [(first, before), (last, _)] = history.evaluated["reward"]
    alone = {**history.evaluated, "reward": [(first, before), (last, before)], "reward_std": [(last, 0.4)]}
    share = overfitting.held_out_reward(replace(history, evaluated=alone))
    assert share is not None and share.at_least(OVERFITTING.held_out_reward).decide().outcome == "fail"
    flat = with_values(history, "reward", lambda reward: 1.0)
    assert overfitting.held_out_reward(flat) is None


def test_held_out_pairs_have_the_interval_of_their_number() -> None:
    history = trained("reward_length")
    verdict = outcomes(history)["held-out accuracy"], gates(history)["held-out accuracy"]
    assert verdict[0] == "inconclusive"
    assert verdict[1] is not None and verdict[1].decide().details["pairs"] == 64
    elsewhere = replace(history, summary=None)
    counted = overfitting.held_out_accuracy(elsewhere, 0.5)
    assert counted is not None and counted.decide().details["pairs"] == 64
    unknown = {key: values for key, values in history.evaluated.items() if key != "runtime"}
    assert overfitting.held_out_accuracy(replace(elsewhere, evaluated=unknown), 0.5) is None


def test_dft_is_told_by_its_recipe_and_elsewhere_by_a_loss_that_no_cross_entropy_can_have() -> None:
    dft = trained("dft")
    assert dft.method.name == "SFT by another loss than cross-entropy"
    assert trained("dft", trainer=None).method.loss_is_cross_entropy
    wrong = {"mean_token_accuracy": [(point.step, 0.8) for point in dft.points]}
    assert not trained("dft", trainer=None, logged=wrong).method.loss_is_cross_entropy
    right = {"mean_token_accuracy": [(point.step, 0.97) for point in dft.points]}
    assert trained("dft", trainer=None, logged=right).method.loss_is_cross_entropy
