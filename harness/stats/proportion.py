"""Interval of a single proportion."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from statsmodels.stats.proportion import proportion_confint

from harness.stats.arrays import Clusters, as_binary, check_confidence, cluster_codes
from harness.stats.clusters import effective_sample_size
from harness.stats.interval import Interval


def wilson(values: ArrayLike, *, clusters: Clusters | None = None, confidence: float = 0.95) -> Interval:
    """Wilson score interval of a proportion (Wilson 1927, JASA 22, 209-212).

    With clusters, the effective sample size takes the place of n.

    Args:
        values: shape (n,), each 0 or 1.
        clusters: one label an item; items sharing a label are correlated.

    Raises:
        ValueError: empty, not 0/1, or a length mismatch.
    """
    check_confidence(confidence)
    scores = as_binary(values)
    codes = cluster_codes(clusters, scores.size)
    size = effective_sample_size(scores, codes, confidence)
    p = float(scores.mean())
    low, high = proportion_confint(p * size, size, alpha=1 - confidence, method="wilson")
    return Interval(
        value=p,
        # Rounding can push a bound past the estimate at 0 and 1.
        low=min(max(float(low), 0.0), p),
        high=max(min(float(high), 1.0), p),
        n=scores.size,
        method="Wilson score" if clusters is None else "Wilson score, clustered",
        standard_error=float(np.sqrt(p * (1 - p) / size)),
        confidence=confidence,
        effective_n=size,
    )
