"""Best and worst of k draws, and agreement: the published formulas, and unbiased by enumeration."""

from __future__ import annotations

from itertools import combinations, product
from math import comb, prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats import expected_agreement, expected_best, expected_worst

DRAWS = st.lists(st.floats(-5, 5), min_size=1, max_size=7)


@pytest.mark.parametrize(
    ("n", "c", "k"), [(n, c, k) for n in (1, 2, 5, 10) for c in range(n + 1) for k in range(1, n + 1)]
)
def test_of_ones_and_zeros_they_are_pass_at_k_and_pass_hat_k(n: int, c: int, k: int) -> None:
    values = [1.0] * c + [0.0] * (n - c)
    assert expected_best(values, k) == pytest.approx(1 - comb(n - c, k) / comb(n, k), abs=1e-15)
    assert expected_worst(values, k) == pytest.approx(comb(c, k) / comb(n, k), abs=1e-15)


def test_known_values() -> None:
    assert expected_best([1, 0, 0, 0], 2) == 0.5
    assert expected_worst([1, 1, 1, 0], 2) == 0.5
    assert expected_best([3.0, 1.0, 2.0], 3) == 3.0
    assert expected_worst([3.0, 1.0, 2.0], 3) == 1.0
    assert expected_worst([0.0, 0.0], 2) == 0.0


@given(DRAWS, st.data())
def test_they_are_means_over_all_subsets(values: list[float], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(values)))
    subsets = list(combinations(values, k))
    assert expected_best(values, k) == pytest.approx(sum(map(max, subsets)) / len(subsets), abs=1e-9)
    assert expected_worst(values, k) == pytest.approx(sum(map(min, subsets)) / len(subsets), abs=1e-9)


@pytest.mark.parametrize("p", [0.0, 0.2, 0.7, 1.0])
def test_over_all_that_may_be_drawn_their_means_are_the_truth(p: float) -> None:
    n, k = 4, 3
    worlds = [(draws, prod(p if one else 1 - p for one in draws)) for draws in product((0.0, 1.0), repeat=n)]
    best, worst, agreed = (
        sum(weight * of(draws) for draws, weight in worlds)
        for of in (lambda d: expected_best(d, k), lambda d: expected_worst(d, k), expected_agreement)
    )
    assert best == pytest.approx(1 - (1 - p) ** k)
    assert worst == pytest.approx(p**k)
    assert agreed == pytest.approx(p * p + (1 - p) ** 2)


def test_agreement_is_the_share_of_equal_pairs() -> None:
    assert expected_agreement(["a", "a", "a"]) == 1.0
    assert expected_agreement(["a", "b", "c"]) == 0.0
    assert expected_agreement(["a", "a", "b", "b"]) == pytest.approx(2 / 6)


@pytest.mark.parametrize("k", [0, 3, -1])
def test_more_than_were_drawn_cannot_be_told(k: int) -> None:
    for of in (expected_best, expected_worst):
        with pytest.raises(ValueError, match=f"{k} of 2 draws are none: give a number from 1 to 2"):
            of([0.0, 1.0], k)
    with pytest.raises(ValueError, match="2 of 1 draws"):
        expected_agreement(["a"])
