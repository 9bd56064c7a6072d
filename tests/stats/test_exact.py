"""Exact intervals against scipy's exact tests, and at their ends."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest, fisher_exact

from harness.stats import beyond_chance, clopper_pearson


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


@pytest.mark.parametrize(("count", "n", "others", "of"), [(13, 304, 0, 240), (9, 100, 2, 60), (5, 40, 5, 40)])
def test_as_many_are_by_chance_as_fishers_test_allows(count: int, n: int, others: int, of: int) -> None:
    def p_value(chance: int, side: str) -> float:
        return fisher_exact([[chance, n - count], [others, of - others]], alternative=side).pvalue

    found = beyond_chance(count, n, others, of)

    allowed = [b for b in range(count + 1) if p_value(b, "greater") >= 0.025 and p_value(b, "less") >= 0.025]
    assert (found.low, found.high) == ((count - max(allowed)) / n, (count - min(allowed)) / n)
    assert found.low <= found.value <= found.high


def test_thirteen_of_all_rows_where_none_of_others_is_are_more_than_two_in_a_hundred() -> None:
    found = beyond_chance(13, 304, 0, 240)
    assert found.low > 0.02
    assert found.high == 13 / 304


def test_nothing_is_beyond_chance_where_nothing_else_shows_how_often_that_is() -> None:
    found = beyond_chance(13, 304, 0, 0)
    assert (found.low, found.high) == (0.0, 13 / 304)


@pytest.mark.parametrize("counts", [(3, 2, 0, 1), (1, 2, 3, 2), (0, 0, 0, 1)])
def test_counts_of_nothing_are_refused(counts: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="no proportions"):
        beyond_chance(*counts)
