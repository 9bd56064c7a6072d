"""Cluster bootstrap for statistics of a whole sample that are not means (macro F1, corpus BLEU).

BCa rather than percentile: such statistics are biased in resamples (a repeated item is easier to
cover) and skewed near their bounds, and BCa corrects both to second order. Efron 1987, JASA 82, 171-185.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from harness.stats.arrays import Clusters, FloatArray, IntArray, check_confidence, cluster_codes
from harness.stats.interval import Interval

Statistic = Callable[[IntArray], float]
"""Computes the statistic over the items at these indices; an index may repeat."""

# Monte Carlo moves a 95% bound by about 0.08 standard errors at 1,000; corpus BLEU takes 60 ms a resample.
RESAMPLES = 1000
# The acceleration is a ratio of sums over the jackknife; deleting blocks of clusters estimates it as well.
_JACKKNIFE_BLOCKS = 100


@dataclass(frozen=True, eq=False)
class Replicates:
    """A statistic on the sample, on its bootstrap resamples and with each block of clusters left out.

    Two with the same n, clusters and seed saw the same resamples, so their difference is paired.

    Attributes:
        draws: shape (resamples,).
        jackknife: shape (blocks,).
        groups: number of clusters.
    """

    value: float
    draws: FloatArray
    jackknife: FloatArray
    n: int
    groups: int
    seed: int

    def __sub__(self, other: Replicates) -> Replicates:
        ours = (self.n, self.groups, self.seed, self.draws.size)
        theirs = (other.n, other.groups, other.seed, other.draws.size)
        if ours != theirs:
            raise ValueError(f"replicates (n, clusters, seed, resamples) {ours} and {theirs} are not paired")
        return replace(
            self,
            value=self.value - other.value,
            draws=self.draws - other.draws,
            jackknife=self.jackknife - other.jackknife,
        )

    def interval(self, confidence: float = 0.95) -> Interval:
        """The BCa interval; of width 0 where every resample gives the same value."""
        check_confidence(confidence)
        tails = np.array([0.5 - confidence / 2, 0.5 + confidence / 2])
        low, high = np.quantile(self.draws, _bca_levels(self, tails))
        return Interval(
            value=self.value,
            low=min(float(low), self.value),
            high=max(float(high), self.value),
            n=self.n,
            method=f"BCa bootstrap, {self.draws.size} resamples" + ("" if self.groups == self.n else " of clusters"),
            standard_error=float(self.draws.std(ddof=1)),
            confidence=confidence,
            effective_n=float(self.groups),
        )


def replicate(
    statistic: Statistic, n: int, *, clusters: Clusters | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> Replicates:
    """Compute a statistic on `resamples` resamples of the clusters of `n` items, drawn with `seed`.

    Raises:
        ValueError: fewer than 2 clusters, a length mismatch, or a statistic that is not finite.
    """
    codes = cluster_codes(clusters, n)
    groups = int(codes.max()) + 1 if n else 0
    if groups < 2:
        raise ValueError(f"{groups} clusters of {n} items: a bootstrap needs at least 2")
    members = None
    if clusters is not None:
        members = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    rng = np.random.default_rng(seed)

    def on_clusters(chosen: IntArray) -> float:
        items = chosen if members is None else np.concatenate([members[c] for c in chosen])
        value = float(statistic(items))
        if not np.isfinite(value):
            raise ValueError(f"the statistic is {value} on a resample of {len(chosen)} clusters: it must be finite")
        return value

    everything = np.arange(groups, dtype=np.int64)
    blocks = np.array_split(rng.permutation(groups), min(groups, _JACKKNIFE_BLOCKS))
    return Replicates(
        value=float(statistic(np.arange(n, dtype=np.int64))),
        draws=np.array([on_clusters(rng.integers(0, groups, groups)) for _ in range(resamples)]),
        jackknife=np.array([on_clusters(np.setdiff1d(everything, block)) for block in blocks]),
        n=n,
        groups=groups,
        seed=seed,
    )


def statistic_interval(
    statistic: Statistic,
    n: int,
    *,
    clusters: Clusters | None = None,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """BCa cluster-bootstrap interval of a statistic over `n` items. Raises as `replicate`."""
    return replicate(statistic, n, clusters=clusters, resamples=resamples, seed=seed).interval(confidence)


def _bca_levels(replicates: Replicates, tails: FloatArray) -> FloatArray:
    """The quantiles of the draws that bound the interval (Efron 1987)."""
    draws, value = replicates.draws, replicates.value
    below = float(np.mean(draws < value) + np.mean(draws == value) / 2)
    smallest = 0.5 / draws.size
    bias = stats.norm.ppf(min(max(below, smallest), 1 - smallest))
    influence = replicates.jackknife.mean() - replicates.jackknife
    spread = float(np.sum(influence**2))
    acceleration = float(np.sum(influence**3)) / (6 * spread**1.5) if spread > 0 else 0.0
    shifted = bias + stats.norm.ppf(tails)
    return np.asarray(stats.norm.cdf(bias + shifted / (1 - acceleration * shifted)), dtype=np.float64)
