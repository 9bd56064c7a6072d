"""Difference of two quantities measured on different items."""

from __future__ import annotations

import math

from harness.stats.interval import Interval


def independent_difference(first: Interval, second: Interval) -> Interval:
    """Interval of first minus second out of the intervals of each, by MOVER.

    Each bound takes the distances to the nearer bounds of both, added as squares: it keeps the shape of the two intervals,
    also at 0 and 1, where their standard errors are 0. Zou & Donner 2008, Statistics in Medicine 27, 1693-1702; for
    proportions Newcombe 1998, Statistics in Medicine 17, 873-890 (method 10).

    Raises:
        ValueError: the two have different confidence.
    """
    if first.confidence != second.confidence:
        raise ValueError(f"intervals of {first.confidence:g} and {second.confidence:g} confidence have no common one")
    value = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return Interval(
        value=value,
        low=value - below,
        high=value + above,
        n=first.n + second.n,
        method=f"MOVER of {first.method}",
        standard_error=math.hypot(first.standard_error, second.standard_error),
        confidence=first.confidence,
        effective_n=first.effective_n + second.effective_n,
    )
