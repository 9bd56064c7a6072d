"""Losses of exactly 0 and losses on another scale are told from what was learnt."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from trainer_logs import columns, history_of

from harness.checks.training import log_is_finite, loss_has_its_scale, losses_are_not_zero
from harness.gates import Check

LIMIT = 1.75
FALLING = [2.0 * 0.98**i + 0.5 for i in range(60)]


def zeros(losses: Sequence[Any], norms: Sequence[Any] | None = None) -> Check:
    check = losses_are_not_zero(history_of({"loss": losses, "grad_norm": norms or [0.5] * len(losses)}))
    assert check is not None
    return check


def test_zeros_after_learning_name_the_last_step_that_can_be_used() -> None:
    check = zeros([*FALLING[:40], *[0.0] * 20], [0.6] * 40 + [1.0] * 20)
    assert not check.holds
    assert "20 of 60 logged steps, first at step 41" in check.reason
    assert check.remedy.startswith("use no checkpoint after step 40")


def test_zeros_after_losses_that_are_no_number_name_the_last_that_was_one() -> None:
    check = zeros([*FALLING[:10], math.nan, "nan", 0.0, None, 0.0])
    assert not check.holds and check.remedy.startswith("use no checkpoint after step 10")


def test_zeros_from_the_start_or_between_are_masked_labels() -> None:
    start = zeros([0.0] * 10)
    assert not start.holds and "no label was ever trained on" in start.reason
    between = zeros([loss * (i % 3 > 0) for i, loss in enumerate(FALLING)])
    assert not between.holds and "batches without a label" in between.reason and "max_length" in between.remedy


def test_rounding_and_one_zero_alone_are_no_fault() -> None:
    rounded = [round(2.0 * 0.7**i, 4) for i in range(40)]
    assert rounded.count(0.0) > 5
    assert zeros(rounded, [0.001 * 0.9**i for i in range(40)]).holds
    assert not zeros(rounded, [1.0] * 40).holds  # a loss of nothing has no gradient to clip
    assert zeros([*FALLING, 0.0]).holds and zeros(FALLING).holds


def test_one_token_answers_learnt_by_few_logged_steps_round_to_zero() -> None:
    sudden = [1.2, 0.21, 0.03, 0.0, 0.0, 0.02, 0.0, 0.0, 0.0, 0.0]
    norms = [3.0, 1.0, 0.2, 1e-3, 1e-4, 0.8, 1e-4, 2e-5, 0.0, 1e-6]
    assert zeros(sudden, norms).holds
    assert not zeros(
        sudden, [*norms[:3], *[0.0] * 2, 0.8, *[0.0] * 4]
    ).holds  # without labels there is no gradient at all
    assert not zeros(sudden, [*norms[:3], *[0.1] * 2, 0.8, *[0.1] * 4]).holds  # clipped to max_grad_norm


@pytest.mark.parametrize("value", [math.nan, "nan", "NaN", None, math.inf, "Infinity", "-inf"])
@pytest.mark.parametrize("key", ["loss", "grad_norm"])
def test_what_is_no_number_is_told_however_it_is_written(key: str, value: Any) -> None:
    log: dict[str, list[Any]] = {"loss": [*FALLING[:10], 0.0, 0.0], "grad_norm": [0.5] * 12}
    log[key][-2] = value
    history = history_of(log)
    check = log_is_finite(history)
    assert not check.holds and check.details["not_finite"][0] | {"value": ""} == {
        "step": 11,
        "quantity": key,
        "value": "",
    }
    zero = losses_are_not_zero(history)
    assert zero is not None and zero.holds == (key == "loss")  # one zero is left


def test_a_loss_that_is_no_cross_entropy_may_be_zero() -> None:
    history = history_of(columns("grpo", loss=0.0))
    assert losses_are_not_zero(history) is None
    assert loss_has_its_scale(history, Path("unread"), LIMIT) is None


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps({"text_config": {"vocab_size": 32000}}))
    return tmp_path


def scale(log: dict[str, Sequence[Any]], base: Path, evaluated: Sequence[float] = ()) -> Check:
    """Of losses, with an evaluation every tenth step."""
    further = [{"step": 10 * (i + 1), "eval_loss": loss} for i, loss in enumerate(evaluated)]
    check = loss_has_its_scale(history_of(log, *further), base, LIMIT)
    assert check is not None
    return check


EVALUATED = [statistic + 0.05 for statistic in FALLING[8::10]]


@pytest.mark.parametrize("times", [2, 4, 8])
def test_a_loss_that_is_k_times_the_validation_loss_all_along_is_no_mean(times: int, base: Path) -> None:
    check = scale({"loss": [times * loss for loss in FALLING]}, base, EVALUATED)
    assert not check.holds and "times the validation loss at every evaluation" in check.reason
    assert "gradient_accumulation_steps" in check.remedy


def test_a_first_loss_beyond_guessing_is_no_mean(base: Path) -> None:
    assert not scale({"loss": [16 * loss for loss in FALLING]}, base).holds
    assert scale({"loss": [4 * loss for loss in FALLING]}, base).holds  # nothing in such a log tells


def test_a_loss_beyond_what_entropy_and_accuracy_allow_is_no_mean(base: Path) -> None:
    beside = {"entropy": [0.9 * loss for loss in FALLING], "mean_token_accuracy": [0.75] * 60}
    assert scale({"loss": FALLING, **beside}, base).holds
    assert not scale({"loss": [8 * loss for loss in FALLING], **beside}, base).holds
    assert scale(dict(columns("sft")), base).holds


@pytest.mark.parametrize(
    "evaluated",
    [
        EVALUATED,
        [loss + 0.3 * i for i, loss in enumerate(EVALUATED)],  # overfitting
        [0.9, 0.9, 0.8, 0.8, 0.8, 0.8],  # easier rows, once learnt
        [0.1, 0.1],
    ],
)
def test_validation_like_training_or_unlike_it_for_a_while_is_no_fault(evaluated: list[float], base: Path) -> None:
    assert scale({"loss": FALLING}, base, evaluated).holds
