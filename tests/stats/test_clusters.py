"""Effective sample sizes, and the coverage they buy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats import effective_sample_size, paired_binary_difference, wilson


def test_all_equal_values_count_clusters_not_items() -> None:
    clusters = np.repeat(np.arange(10), 30)
    size = wilson(np.zeros(300), clusters=clusters).effective_n
    assert size < 10.0
    assert size == pytest.approx(10 * (1.9679 / 2.2622) ** 2, rel=1e-3)


def test_one_cluster_is_worth_one_item() -> None:
    assert wilson([1, 1, 0, 1], clusters=["a"] * 4).effective_n == pytest.approx(1.0)


def test_whole_clusters_that_fail_together_shrink_the_sample_to_their_number() -> None:
    values = np.repeat(np.arange(40) % 2, 10).astype(float)
    assert effective_sample_size(values, np.repeat(np.arange(40), 10), 0.95) == pytest.approx(39, rel=0.08)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1)), min_size=1, max_size=40))
def test_effective_size_never_exceeds_the_items(rows: list[tuple[int, int]]) -> None:
    interval = wilson([value for _, value in rows], clusters=[cluster for cluster, _ in rows])
    assert 0 < interval.effective_n <= len(rows)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1


def test_one_more_flip_does_not_jump_the_effective_size() -> None:
    """With the plain estimate, zero flips would be worth 18 items and one flip 265."""
    clusters = np.repeat(np.arange(20), 15)
    sizes = [wilson(np.arange(300) < flips, clusters=clusters).effective_n for flips in (0, 1)]
    assert sizes[1] < 4 * sizes[0]


def misses(rng: np.random.Generator, loss: float, correlation: float, repeats: int) -> tuple[float, float]:
    """Share of repeats whose interval lies wholly above, and wholly below, the true difference."""
    above = below = 0
    clusters = np.repeat(np.arange(25), 8)
    for _ in range(repeats):
        shape = (1 - correlation) / correlation
        rates = rng.beta(loss * shape, (1 - loss) * shape, 25)[clusters]
        drops = rng.random(200) < rates
        interval = paired_binary_difference(np.ones(200), 1.0 - drops, clusters=clusters)
        above += interval.low > -loss
        below += interval.high < -loss
    return above / repeats, below / repeats


@pytest.mark.parametrize(("loss", "correlation"), [(0.02, 0.3), (0.1, 0.1), (0.1, 0.5)])
def test_clustered_losses_are_not_understated(loss: float, correlation: float) -> None:
    """`above` is a drop called smaller than it is: what lets a bad adapter pass. Nominal 2.5%."""
    above, below = misses(np.random.default_rng(3), loss, correlation, 600)
    assert above <= 0.045
    assert above + below <= 0.085


def test_ignoring_the_clusters_would_understate_them() -> None:
    rng = np.random.default_rng(4)
    clusters = np.repeat(np.arange(25), 8)
    missed = 0
    for _ in range(300):
        drops = np.repeat(rng.random(25) < 0.1, 8)
        plain = paired_binary_difference(np.ones(200), 1.0 - drops)
        aware = paired_binary_difference(np.ones(200), 1.0 - drops, clusters=clusters)
        assert aware.low <= plain.low
        missed += plain.low > -0.1
    assert missed / 300 > 0.15
