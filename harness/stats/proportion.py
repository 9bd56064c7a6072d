"""Interval of a single proportion."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from harness.stats.arrays import Clusters, as_binary, check_confidence, cluster_codes
from harness.stats.clusters import effective_sample_size
from harness.stats.interval import Interval
from harness.stats.score import Moments, score_interval


def wilson(values: ArrayLike, *, clusters: Clusters | None = None, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a proportion.

    Wilson 1927, JASA 22, 209-212, corrected for skewness and discreteness (`harness.stats.score`), so that neither
    side errs more than nominal: uncorrected, one side of a rare event errs up to five times as often. With clusters,
    the effective sample size takes the place of n.

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
    low, high = score_interval(p, size, share_moments, (0.0, 1.0), confidence)
    return Interval(
        value=p,
        low=low,
        high=high,
        n=scores.size,
        method="corrected Wilson score" if clusters is None else "corrected Wilson score, clustered",
        standard_error=float(np.sqrt(p * (1 - p) / size)),
        confidence=confidence,
        effective_n=size,
    )


def share_moments(share: ArrayLike) -> Moments:
    """Variance and third central moment of one 0/1 item, were this the true share of ones."""
    p = np.asarray(share, dtype=np.float64)
    return Moments(p * (1 - p), p * (1 - p) * (1 - 2 * p))
