"""Flip rates count what a difference hides."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats import flip_rates, paired_binary_difference, wilson


def test_equal_accuracy_may_hide_many_flips() -> None:
    rates = flip_rates([1, 1, 0, 0, 1, 0], [0, 1, 1, 0, 0, 1])
    assert (rates.lost.value, rates.gained.value, rates.changed.value) == pytest.approx((2 / 6, 2 / 6, 4 / 6))
    assert rates.lost == wilson([1, 0, 0, 0, 1, 0])


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=30))
def test_gains_less_losses_are_the_difference(rows: list[tuple[int, int]]) -> None:
    base, candidate = zip(*rows, strict=True)
    rates = flip_rates(base, candidate)
    assert rates.gained.value - rates.lost.value == pytest.approx(paired_binary_difference(base, candidate).value)
    assert rates.gained.value + rates.lost.value == pytest.approx(rates.changed.value)


def test_flips_in_whole_clusters_are_known_less_well() -> None:
    base, candidate, clusters = [1] * 40, [0] * 10 + [1] * 30, [i // 10 for i in range(40)]
    assert flip_rates(base, candidate, clusters=clusters).lost.high > flip_rates(base, candidate).lost.high


def test_unpaired_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="base has 2 values, candidate has 1"):
        flip_rates([0, 1], [1])
