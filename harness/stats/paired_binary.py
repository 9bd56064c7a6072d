"""Difference of two proportions measured on the same items."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from harness.stats.arrays import Clusters, as_binary, check_confidence, check_paired, cluster_codes
from harness.stats.clusters import effective_sample_size
from harness.stats.interval import Interval
from harness.stats.score import Moments, score_interval


def paired_binary_difference(
    base: ArrayLike, candidate: ArrayLike, *, clusters: Clusters | None = None, confidence: float = 0.95
) -> Interval:
    """Tango's score interval of p_candidate - p_base, right also at zero discordance and small n.

    Tango 1998, Statistics in Medicine 17, 891-908, corrected for skewness and discreteness (`harness.stats.score`),
    so that neither side errs more than nominal. With clusters, the discordant counts are scaled to
    the effective sample size of the differences. The p-value is exact McNemar (binomial) without
    clusters and that of the score test with them, where the exact test would not hold.

    Args:
        base, candidate: shape (n,), each 0 or 1, paired by position.
        clusters: one label an item; items sharing a label are correlated.

    Raises:
        ValueError: empty, not 0/1, or a length mismatch.
    """
    check_confidence(confidence)
    before, after = as_binary(base, "base"), as_binary(candidate, "candidate")
    check_paired(before, after)
    change = after - before
    n = change.size
    gained, lost = int(np.sum(change > 0)), int(np.sum(change < 0))
    size = effective_sample_size(change, cluster_codes(clusters, n), confidence)
    difference = (gained - lost) / n
    scaled = gained * size / n, lost * size / n
    low, high = score_interval(
        difference, size, lambda value: change_moments(value, *scaled, size), (-1.0, 1.0), confidence
    )
    return Interval(
        value=difference,
        low=low,
        high=high,
        n=n,
        method="corrected Tango score, exact McNemar" if clusters is None else "corrected Tango score, clustered",
        standard_error=math.sqrt(max(0.0, (gained + lost) / n - difference**2) / size),
        confidence=confidence,
        effective_n=size,
        p_value=mcnemar_exact(gained, lost) if clusters is None else _score_test(*scaled),
    )


def mcnemar_exact(gained: int, lost: int) -> float:
    """Two-sided exact McNemar p-value: are gains and losses equally likely? 1 where nothing changed."""
    if gained + lost == 0:
        return 1.0
    return float(stats.binomtest(gained, gained + lost, 0.5).pvalue)


def _score_test(gained: float, lost: float) -> float:
    if gained + lost == 0:
        return 1.0
    return float(2 * stats.norm.sf(abs(gained - lost) / math.sqrt(gained + lost)))


def change_moments(difference: ArrayLike, gained: ArrayLike, lost: ArrayLike, n: ArrayLike) -> Moments:
    """Variance and third central moment of one item's change, were this the true difference; arrays broadcast.

    The probability q of a loss is its maximum-likelihood estimate under that constraint, the larger root of
    2n q^2 - (gained + lost - (2n - gained + lost) difference) q - lost difference (1 - difference) = 0 (Tango 1998).
    """
    delta, gains, losses, items = (np.asarray(array, dtype=np.float64) for array in (difference, gained, lost, n))
    a = 2 * items
    b = (2 * items - gains + losses) * delta - gains - losses
    c = -losses * delta * (1 - delta)
    q = (-b + np.sqrt(np.maximum(0.0, b * b - 4 * a * c))) / (2 * a)
    q = np.maximum(np.maximum(q, 0.0), -delta)
    variance = np.maximum(0.0, 2 * q + delta * (1 - delta))
    return Moments(variance, delta - 3 * delta * (2 * q + delta) + 2 * delta**3)
