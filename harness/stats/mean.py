"""Intervals of means, and of mean differences over the same items."""

from __future__ import annotations

import math
from dataclasses import replace

from numpy.typing import ArrayLike
from scipy import stats

from harness.stats.arrays import Clusters, FloatArray, as_floats, check_confidence, check_paired, cluster_codes
from harness.stats.clusters import clustered_variance
from harness.stats.interval import Interval


def mean_interval(values: ArrayLike, *, clusters: Clusters | None = None, confidence: float = 0.95) -> Interval:
    """Student t interval of a mean, with clustered standard errors.

    Miller 2024, arXiv 2411.00640; the small-sample factor G / (G - 1) and G - 1 degrees of freedom for
    G clusters (Cameron & Miller 2015, J. Human Resources 50(2), 317-372).

    Args:
        values: shape (n,).
        clusters: one label an item; items sharing a label are correlated.

    Raises:
        ValueError: empty, NaN, a length mismatch, or fewer than 2 clusters.
    """
    return _t_interval(as_floats(values), clusters, confidence)[0]


def paired_mean_difference(
    base: ArrayLike, candidate: ArrayLike, *, clusters: Clusters | None = None, confidence: float = 0.95
) -> Interval:
    """Student t interval of mean(candidate - base) over paired items; as `mean_interval`, with a p-value.

    Args:
        base, candidate: shape (n,), paired by position.
        clusters: one label an item; items sharing a label are correlated.

    Raises:
        ValueError: empty, NaN, a length mismatch, or fewer than 2 clusters.
    """
    before, after = as_floats(base, "base"), as_floats(candidate, "candidate")
    check_paired(before, after)
    interval, degrees = _t_interval(after - before, clusters, confidence)
    return replace(interval, method=f"paired {interval.method}", p_value=_p_value(interval, degrees))


def _t_interval(values: FloatArray, clusters: Clusters | None, confidence: float) -> tuple[Interval, int]:
    check_confidence(confidence)
    codes = cluster_codes(clusters, values.size)
    groups = int(codes.max()) + 1
    if groups < 2:
        raise ValueError(f"{groups} cluster of {values.size} values: a t interval needs at least 2")
    variance = clustered_variance(values, codes)
    simple = float(values.var(ddof=1)) / values.size
    half = float(stats.t.ppf(0.5 + confidence / 2, groups - 1)) * math.sqrt(variance)
    value = float(values.mean())
    interval = Interval(
        value=value,
        low=value - half,
        high=value + half,
        n=values.size,
        method="t" if clusters is None else "t, clustered",
        standard_error=math.sqrt(variance),
        confidence=confidence,
        effective_n=min(float(values.size), values.size * simple / variance) if variance > 0 else float(groups),
    )
    return interval, groups - 1


def _p_value(interval: Interval, degrees: int) -> float:
    if interval.standard_error == 0:
        return 1.0 if interval.value == 0 else 0.0
    return float(2 * stats.t.sf(abs(interval.value) / interval.standard_error, degrees))
