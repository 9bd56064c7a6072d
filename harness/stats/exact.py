"""The exact interval of a proportion."""

from __future__ import annotations

import math

from statsmodels.stats.proportion import proportion_confint

from harness.stats.arrays import check_confidence
from harness.stats.interval import Interval


def clopper_pearson(count: int, n: int, *, confidence: float = 0.95) -> Interval:
    """Proportion of `count` in `n`: neither side of the interval errs more than nominal, whatever the true one is.

    Clopper and Pearson 1934, Biometrika 26(4), 404-413. Of none nothing is known: 0 to 1.

    Raises:
        ValueError: confidence not between 0 and 1, or a count below 0 or above n.
    """
    check_confidence(confidence)
    if not 0 <= count <= n:
        raise ValueError(f"{count} of {n} is no proportion")
    share = count / n if n else 0.0
    low, high = proportion_confint(count, n, alpha=1 - confidence, method="beta") if n else (0.0, 1.0)
    error = math.sqrt(share * (1 - share) / n) if n else 0.0
    return Interval(share, float(low), float(high), n, "Clopper-Pearson", error, confidence, float(n))
