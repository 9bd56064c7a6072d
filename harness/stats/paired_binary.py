"""Difference of two proportions measured on the same items."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.optimize import brentq

from harness.stats.arrays import Clusters, as_binary, check_confidence, check_paired, cluster_codes
from harness.stats.clusters import effective_sample_size
from harness.stats.interval import Interval

# Where nothing varies the equation has a spurious root at the estimate itself; start beside it.
_BESIDE = 1e-10


def paired_binary_difference(
    base: ArrayLike, candidate: ArrayLike, *, clusters: Clusters | None = None, confidence: float = 0.95
) -> Interval:
    """Tango's score interval of p_candidate - p_base, right also at zero discordance and small n.

    Tango 1998, Statistics in Medicine 17, 891-908. With clusters, the discordant counts are scaled to
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
    low, high = _tango(*scaled, size, confidence)
    return Interval(
        value=difference,
        low=low,
        high=high,
        n=n,
        method="Tango score, exact McNemar" if clusters is None else "Tango score, clustered",
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


def _tango(gained: float, lost: float, n: float, confidence: float) -> tuple[float, float]:
    """Both roots of (estimate - delta)^2 = z^2 * variance under delta; counts need not be whole."""
    z_squared = float(stats.norm.ppf(0.5 + confidence / 2)) ** 2
    estimate = (gained - lost) / n

    def excess(delta: float) -> float:
        return (estimate - delta) ** 2 - z_squared * _null_variance(delta, gained, lost, n)

    low = brentq(excess, -1.0, estimate - _BESIDE, xtol=1e-13) if estimate > -1 + _BESIDE else -1.0
    high = brentq(excess, estimate + _BESIDE, 1.0, xtol=1e-13) if estimate < 1 - _BESIDE else 1.0
    return float(low), float(high)


def _null_variance(delta: float, gained: float, lost: float, n: float) -> float:
    """Variance of the estimated difference when the true one is `delta`.

    The probability of a loss is its maximum-likelihood estimate under that constraint, the larger root
    of 2n q^2 - (gained + lost - (2n - gained + lost) delta) q - lost delta (1 - delta) = 0.
    """
    a = 2 * n
    b = (2 * n - gained + lost) * delta - gained - lost
    c = -lost * delta * (1 - delta)
    q = (-b + math.sqrt(max(0.0, b * b - 4 * a * c))) / (2 * a)
    q = max(q, 0.0, -delta)
    return max(0.0, 2 * q + delta * (1 - delta)) / n
