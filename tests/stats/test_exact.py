"""Clopper and Pearson's interval against scipy's exact test, and at its ends."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from harness.stats import clopper_pearson


@pytest.mark.parametrize(("count", "n"), [(0, 20), (1, 20), (7, 20), (20, 20), (15, 300)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_it_is_the_exact_interval(count: int, n: int, confidence: float) -> None:
    found = clopper_pearson(count, n, confidence=confidence)
    exact = binomtest(count, n).proportion_ci(confidence, method="exact")
    assert (found.value, found.low, found.high) == pytest.approx((count / n, exact.low, exact.high), abs=1e-9)


def test_of_none_nothing_is_known() -> None:
    found = clopper_pearson(0, 0)
    assert (found.value, found.low, found.high, found.n) == (0.0, 0.0, 1.0, 0)


@pytest.mark.parametrize(("count", "n"), [(3, 2), (-1, 5)])
def test_more_than_all_and_fewer_than_none_are_refused(count: int, n: int) -> None:
    with pytest.raises(ValueError, match="no proportion"):
        clopper_pearson(count, n)
