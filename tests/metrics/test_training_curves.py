from __future__ import annotations

import math

import pytest

from harness.errors import DataError
from harness.metrics.training_curves import eval_loss_rise, loss_drop, loss_gap, plateau_share, spikes
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


def curve(*losses: float) -> list[TrainingPoint]:
    return [TrainingPoint(2 * (i + 1), loss=loss) for i, loss in enumerate(losses)]


FALLING = curve(3.0, 2.8, 2.2, 1.6, 1.2, 1.0, 0.9, 0.8, 0.8, 0.7, 0.7, 0.7)
FLAT = curve(3.0, 2.9, 3.1, 3.0, 2.95, 3.05, 3.0, 3.0, 2.9, 3.1)
LATE = curve(*[3.0] * 8, 2.9, 2.0, 1.2, 0.8)


def test_the_drop_is_a_share_of_where_the_loss_began() -> None:
    assert loss_drop(FALLING) == pytest.approx((2.9 - 0.7) / 2.9)
    assert abs(loss_drop(FLAT)) < 0.02
    assert loss_drop(curve(1.0, 1.0, 2.0, 2.0)) == pytest.approx(-1.0)


def test_a_log_of_one_loss_has_no_drop_and_no_plateau() -> None:
    assert math.isnan(loss_drop(curve(1.0)))
    assert math.isnan(plateau_share(curve(1.0)))


def test_a_flat_start_is_told_from_a_fall_by_its_share_of_the_training() -> None:
    assert plateau_share(FALLING) < 0.25
    assert plateau_share(LATE) > 0.7
    assert plateau_share(curve(*[1.0] * 6)) == 1.0
    assert plateau_share(curve(1.0, 1.0, 1.0, 2.0, 3.0, 3.0)) == 1.0


def test_a_jump_above_the_start_and_one_far_above_what_came_before_are_spikes() -> None:
    assert [p.step for p in spikes(curve(3.0, 2.8, 2.9, 2.5, 6.0, 2.2))] == [10]
    assert [p.step for p in spikes(curve(3.0, 2.8, 2.6, *[0.5, 0.4] * 12, 2.1, 0.4))] == [56]


def test_losses_made_uneven_by_rows_of_another_kind_are_no_spikes() -> None:
    assert spikes(FALLING) == []
    assert spikes(curve(2.8, 2.6, 2.4, 2.0, 1.5, *[0.02, 0.6, 0.03, 0.9] * 8, 1.4, 0.02)) == []
