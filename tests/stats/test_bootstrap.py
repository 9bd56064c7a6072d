"""The bootstrap against scipy's, and its pairing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harness.stats import mean_interval, replicate, statistic_interval
from harness.stats.bootstrap import IntArray

SKEWED = np.random.default_rng(5).exponential(size=60)


def deviation(indices: IntArray) -> float:
    return float(SKEWED[indices].std())


def mean(indices: IntArray) -> float:
    return float(SKEWED[indices].mean())


def test_bca_is_scipys_bca_up_to_its_own_randomness() -> None:
    ours = statistic_interval(deviation, 60, resamples=4000)
    oracle = stats.bootstrap((SKEWED,), np.std, method="BCa", n_resamples=20000, rng=np.random.default_rng(6))
    bounds = oracle.confidence_interval
    assert (ours.low, ours.high) == pytest.approx((bounds.low, bounds.high), abs=0.04)
    assert ours.standard_error == pytest.approx(oracle.standard_error, rel=0.06)


def test_same_seed_same_interval() -> None:
    assert statistic_interval(deviation, 60, resamples=200) == statistic_interval(deviation, 60, resamples=200)


def test_a_shared_shift_leaves_no_noise_in_the_difference() -> None:
    shifted = replicate(lambda i: mean(i) + 0.5, 60, resamples=200)
    interval = (shifted - replicate(mean, 60, resamples=200)).interval()
    assert (interval.low, interval.high) == pytest.approx((0.5, 0.5))


def test_whole_clusters_are_resampled() -> None:
    values = np.repeat(np.random.default_rng(7).normal(size=30), 10)
    clusters = np.repeat(np.arange(30), 10)

    def clustered_mean(indices: IntArray) -> float:
        return float(values[indices].mean())

    ours = statistic_interval(clustered_mean, 300, clusters=clusters, resamples=1000)
    assert ours.standard_error == pytest.approx(mean_interval(values, clusters=clusters).standard_error, rel=0.1)
    assert ours.effective_n == 30


def test_items_without_clusters_are_drawn_as_clusters_of_one_are() -> None:
    alone, labelled = replicate(mean, 60, resamples=20), replicate(mean, 60, clusters=range(60), resamples=20)
    assert alone.draws.tolist() == labelled.draws.tolist()
    assert alone.jackknife.tolist() == labelled.jackknife.tolist()


def test_a_constant_statistic_has_no_width() -> None:
    interval = statistic_interval(lambda _: 1.0, 10, resamples=50)
    assert (interval.low, interval.high, interval.standard_error) == (1.0, 1.0, 0.0)


def test_unpaired_replicates_are_refused() -> None:
    with pytest.raises(ValueError, match="not paired"):
        replicate(mean, 60, resamples=20, seed=1) - replicate(mean, 60, resamples=20, seed=2)


def test_a_statistic_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="the statistic is nan"):
        statistic_interval(lambda _: float("nan"), 10, resamples=5)


def test_one_cluster_cannot_be_resampled() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        statistic_interval(mean, 60, clusters=["a"] * 60)
