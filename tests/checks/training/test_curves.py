from __future__ import annotations

import math
import random

import numpy as np
import pytest

from harness.checks.training.curves import (
    eval_loss_rise,
    highest_jump,
    loss_drop,
    loss_gap,
    loss_rise,
    plateau_share,
    spikes,
)
from harness.errors import DataError
from harness.records import TrainingPoint

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
    assert loss_drop(FALLING)[0] == pytest.approx((8 / 3 - 0.7) / (8 / 3))
    assert abs(loss_drop(FLAT)[0]) < 0.02
    assert loss_drop(curve(1.0, 1.0, 2.0, 2.0))[0] == pytest.approx(-1.0)


def test_the_error_of_the_drop_is_that_of_uneven_batches() -> None:
    assert loss_drop(curve(3.0, 2.5, 2.0, 1.5, 1.0, 0.5))[1] == pytest.approx(0.0, abs=1e-9)
    rng = np.random.default_rng(0)
    logs = [curve(*(2.0 - 0.5 * np.arange(20) / 19 + rng.normal(0, 0.3, 20))) for _ in range(400)]
    drops, errors = zip(*map(loss_drop, logs), strict=True)
    assert np.mean(errors) == pytest.approx(np.std(drops), rel=0.15)


def test_a_log_of_one_loss_has_no_drop_and_no_plateau() -> None:
    assert math.isnan(loss_drop(curve(1.0))[0])
    assert math.isnan(plateau_share(curve(1.0)))


def test_a_flat_start_is_told_from_a_fall_by_its_share_of_the_training() -> None:
    assert plateau_share(FALLING) < 0.3
    assert plateau_share(LATE) > 0.7
    assert plateau_share(curve(*[1.0] * 6)) == 1.0
    assert plateau_share(curve(1.0, 1.0, 1.0, 2.0, 3.0, 3.0)) == 1.0


def test_a_jump_above_the_start_and_one_far_above_what_came_before_are_spikes() -> None:
    assert [p.step for p in spikes(curve(3.0, 2.8, 2.9, 2.5, 6.0, 2.2))] == [10]
    assert [p.step for p in spikes(curve(3.0, 2.8, 2.6, *[0.5, 0.4] * 12, 2.1, 0.4))] == [56]


def test_losses_of_one_short_answer_a_step_lie_far_apart_without_a_spike() -> None:
    drawn = random.Random(0)
    uneven = [(2.3 * math.exp(-i / 40) + 0.05) * drawn.expovariate(1) for i in range(400)]
    assert len(spikes(curve(*uneven))) < 0.02 * 400
    uneven[100::20] = [9.0] * 15
    assert len(spikes(curve(*uneven))) >= 15


def test_losses_made_uneven_by_rows_of_another_kind_are_no_spikes() -> None:
    assert spikes(FALLING) == []
    assert spikes(curve(2.8, 2.6, 2.4, 2.0, 1.5, *[0.02, 0.6, 0.03, 0.9] * 8, 1.4, 0.02)) == []


def valley(steps: int, noise: float, seed: int = 0, end: float = 2.2) -> list[TrainingPoint]:
    """Down from 2.5 to 1.0 and up again."""
    drawn = random.Random(seed)
    half = steps // 2
    losses = [2.5 - 1.5 * i / half if i < half else 1.0 + (end - 1.0) * (i - half) / half for i in range(steps)]
    return curve(*(loss + drawn.gauss(0, noise) for loss in losses))


@pytest.mark.parametrize("steps", [10, 20, 100, 1000])
def test_a_loss_that_comes_back_up_rose_by_most_of_what_it_had_fallen(steps: int) -> None:
    for seed in range(5):
        assert loss_rise(valley(steps, 0.03, seed), at_step=2 * steps) > 0.1
        assert loss_rise(valley(steps, 0.03, seed), at_step=steps) == 0


def test_the_rise_is_that_of_the_last_fifth_over_the_lowest_as_a_share_of_the_first_tenth() -> None:
    # of the curve drawn without end: its last fifth is 1.96 in the mean, the fifth about its bottom 1.1333, its start 2.35
    assert loss_rise(valley(1000, 0.0), at_step=2000) == pytest.approx((1.96 - 1.1333) / 2.35, abs=0.005)


@pytest.mark.parametrize("steps", [5, 9, 20, 50, 200])
def test_uneven_batches_of_a_falling_loss_are_no_rise(steps: int) -> None:
    drawn = random.Random(steps)
    rises = []
    for _ in range(100):
        # rows of another kind make every third batch or so a hard one, as in the logs of our own healthy adapters
        levels = [0.1 if drawn.random() < 0.7 else 1.0 for _ in range(steps)]
        losses = [level + 1.9 * math.exp(-6 * i / steps) + drawn.gauss(0, 0.03) for i, level in enumerate(levels)]
        rises.append(loss_rise(curve(*losses), at_step=2 * steps))
    assert sum(rise > 0.1 for rise in rises) <= 3


def test_too_few_losses_have_no_rise() -> None:
    assert loss_rise(curve(1.0, 2.0, 3.0, 4.0, 5.0), at_step=10) == 0
    assert loss_rise(curve(1.0, 2.0), at_step=0) == 0


def test_the_highest_jump_is_measured_by_the_start_and_by_what_came_before() -> None:
    found = highest_jump(curve(2.0, 3.0, 2.5, *[1.0] * 30, 9.0, 1.0))
    assert found is not None and (found[0].step, found[1]) == (68, 3.0)
    rising = highest_jump(curve(1.0, 1.0, 1.0, 2.0, 4.0, 8.0))
    assert rising is not None and rising[1] == 2.0
    falling = highest_jump(FALLING)
    assert falling is not None and falling[1] < 1
    assert highest_jump(curve(1.0, 2.0, 3.0)) is None
    assert highest_jump(curve(0.0, 0.0, 0.0, 1.0)) is None
