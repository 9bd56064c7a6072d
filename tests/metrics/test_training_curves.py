from __future__ import annotations

import math

import pytest

from harness.errors import DataError
from harness.metrics.training_curves import eval_loss_rise, loss_gap
from harness.runs.schema import TrainingPoint

LOG = [
    *(TrainingPoint(step, loss=10.0 - step) for step in range(1, 8)),
    TrainingPoint(8, loss=2.0, eval_loss=3.5),
    TrainingPoint(9, loss=1.0),
    TrainingPoint(10, loss=0.0, eval_loss=4.5),
]


def test_the_gap_is_taken_at_the_kept_checkpoint_over_the_last_five_training_losses() -> None:
    assert loss_gap(LOG, at_step=8) == pytest.approx(3.5 - (6 + 5 + 4 + 3 + 2) / 5)
    assert loss_gap(LOG, at_step=10) == pytest.approx(4.5 - (4 + 3 + 2 + 1 + 0) / 5)


def test_the_gap_is_taken_between_losses_evaluated_alike_where_there_are_two() -> None:
    both = [TrainingPoint(1, loss=9.0), TrainingPoint(2, loss=9.0, eval_loss=0.5, train_eval_loss=0.25), *LOG[2:7]]
    assert loss_gap(both, at_step=2) == pytest.approx(0.25)


def test_the_gap_uses_as_many_training_losses_as_there_are() -> None:
    assert loss_gap([TrainingPoint(1, loss=2.0), TrainingPoint(2, eval_loss=2.5)], at_step=2) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("points", "missing"), [(LOG[:7], "validation"), ([TrainingPoint(2, eval_loss=1.0)], "training")]
)
def test_a_log_without_one_of_the_losses_says_which(points: list[TrainingPoint], missing: str) -> None:
    with pytest.raises(DataError, match=f"no {missing} loss up to step 7") as error:
        loss_gap(points, at_step=7)
    assert "eval_strategy" in error.value.remedy


def test_losses_after_the_kept_checkpoint_do_not_stand_in_for_those_before() -> None:
    with pytest.raises(DataError, match="no validation loss up to step 7"):
        loss_gap(LOG, at_step=7)
    with pytest.raises(DataError, match="no validation loss up to step 7"):
        eval_loss_rise(LOG, at_step=7)


def test_the_rise_is_zero_where_the_best_checkpoint_was_kept_and_positive_past_it() -> None:
    assert eval_loss_rise(LOG, at_step=8) == 0
    assert eval_loss_rise(LOG, at_step=9) == 0
    assert eval_loss_rise(LOG, at_step=10) == pytest.approx(1.0)


def test_a_checkpoint_kept_before_the_minimum_counts_as_a_rise_too() -> None:
    falling = [TrainingPoint(1, eval_loss=2.0), TrainingPoint(2, eval_loss=1.5)]
    assert eval_loss_rise(falling, at_step=1) == pytest.approx(0.5)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_gives_nan_wherever_it_stands(broken: float) -> None:
    assert math.isnan(eval_loss_rise([*LOG, TrainingPoint(11, eval_loss=broken)], at_step=8))
    assert not math.isfinite(loss_gap([TrainingPoint(1, loss=broken), TrainingPoint(2, eval_loss=1.0)], at_step=2))
