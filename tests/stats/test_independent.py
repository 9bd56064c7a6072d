from __future__ import annotations

import numpy as np
import pytest

from harness.stats import Interval, mean_interval, wilson
from harness.stats.mean import independent_difference


def test_the_bounds_of_two_proportions_are_newcombe_s() -> None:
    # Newcombe 1998, table II, row (a): 56/70 against 48/80, method 10
    plain = [_score_interval(56, 70), _score_interval(48, 80)]
    found = independent_difference(*plain)
    assert (found.low, found.high) == (pytest.approx(0.0524, abs=5e-5), pytest.approx(0.3339, abs=5e-5))
    assert found.value == pytest.approx(0.2)


def test_the_interval_of_two_means_covers_their_difference_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(400):
        found = independent_difference(mean_interval(rng.normal(1, 1, 30)), mean_interval(rng.normal(0, 3, 40)))
        hits += found.low <= 1 <= found.high
    assert 0.93 <= hits / 400 <= 0.985


def test_intervals_of_different_confidence_are_refused() -> None:
    with pytest.raises(ValueError, match="confidence"):
        independent_difference(wilson([0, 1], confidence=0.9), wilson([0, 1], confidence=0.95))


def _score_interval(successes: int, n: int) -> Interval:
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(successes, n, method="wilson")
    return Interval(successes / n, low, high, n, "Wilson", 0.0, 0.95, n)
