"""The win rate, its counts, and an interval that is honest also where every prompt agrees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.stats.win_rate import Tally, tally, win_rate

preferences = st.lists(st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.0]), min_size=2, max_size=30)


def test_ties_are_half_a_win() -> None:
    judged = [1.0, 1.0, 0.5, 0.5, 0.0]
    assert win_rate(judged).value == pytest.approx(0.6)
    assert tally(judged) == Tally(wins=2, ties=2, losses=1)


def test_soft_preferences_count_for_the_side_they_lean_to() -> None:
    assert tally([0.9, 0.51, 0.5, 0.2]) == Tally(wins=2, ties=1, losses=1)


@given(preferences)
def test_swapping_the_sides_mirrors_the_estimate(judged: list[float]) -> None:
    there = win_rate(judged, resamples=50)
    back = win_rate([1 - value for value in judged], resamples=50)
    assert there.value == pytest.approx(1 - back.value)
    assert 0 <= there.low <= there.value <= there.high <= 1


def test_the_interval_is_scipys_bootstrap_and_the_error_that_of_a_mean() -> None:
    judged = np.random.default_rng(1).choice([0.0, 0.5, 1.0], p=[0.6, 0.1, 0.3], size=200)
    ours = win_rate(judged, resamples=4000)
    oracle = stats.bootstrap((judged,), np.mean, method="BCa", n_resamples=4000, rng=np.random.default_rng(2))
    bounds = oracle.confidence_interval
    assert (ours.low, ours.high) == pytest.approx((bounds.low, bounds.high), abs=0.006)
    assert ours.standard_error == pytest.approx(stats.sem(judged))


def test_all_wins_are_not_a_win_rate_of_certainly_one() -> None:
    ours = win_rate([1.0] * 20)
    assert (ours.value, ours.high) == (1.0, 1.0)
    assert ours.low == pytest.approx(stats.binomtest(20, 20).proportion_ci(0.95, method="exact").low)


def test_all_ties_leave_room_on_both_sides() -> None:
    ours = win_rate([0.5] * 100)
    assert ours.low == pytest.approx(1 - ours.high)
    assert 0.47 < ours.low < 0.49


def test_answers_of_one_conversation_are_not_independent_evidence() -> None:
    judged = np.random.default_rng(3).integers(0, 2, 40).astype(float)
    alone = win_rate(judged)
    copies = win_rate(np.repeat(judged, 4), clusters=np.repeat(np.arange(40), 4))
    assert copies.high - copies.low == pytest.approx(alone.high - alone.low, rel=0.1)
    assert copies.standard_error == pytest.approx(alone.standard_error)
    constant = win_rate(np.ones(160), clusters=np.repeat(np.arange(40), 4))
    assert constant.low == pytest.approx(win_rate(np.ones(40)).low)


@pytest.mark.parametrize(
    ("judged", "message"), [([1.0, 1.5], r"preferences\[1\] is 1.5"), ([], "empty"), ([1.0, float("nan")], "is nan")]
)
def test_what_is_no_preference_is_refused(judged: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        win_rate(judged)
