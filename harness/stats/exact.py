"""Exact intervals of counts."""

from __future__ import annotations

import math
from statistics import NormalDist

from scipy.stats import hypergeom
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


def beyond_chance(count: int, n: int, others: int, of: int, *, confidence: float = 0.95) -> Interval:
    """Share of all `n` units that are counted by right, where `others` units of `of`, none of which can be, show how many are by
    chance.

    All n units were looked at, so that nothing is drawn of them: what is not known is how many of the `count` are there by
    chance. That many are ruled out which, put among all units that are not counted by right, would leave so few for the others
    (Fisher's exact test, with the hypergeometric distribution).

    Raises:
        ValueError: confidence not between 0 and 1, no unit, or a count below 0 or above what it is of.
    """
    check_confidence(confidence)
    if not (0 <= count <= n and 0 <= others <= of and n):
        raise ValueError(f"{count} of {n} beside {others} of {of} are no proportions")
    tail = (1 - confidence) / 2
    units = [(n - count + chance + of, chance + others, of) for chance in range(count + 1)]
    most = next(
        chance for chance in range(count, -1, -1) if not chance or hypergeom.cdf(others, *units[chance]) >= tail
    )
    fewest = next(
        chance for chance in range(count + 1) if chance == count or hypergeom.sf(others - 1, *units[chance]) >= tail
    )
    low, high = (count - most) / n, (count - fewest) / n
    value = min(max(count / n - (others / of if of else 0.0), low), high)
    error = (high - low) / 2 / NormalDist().inv_cdf(1 - tail)
    return Interval(value, low, high, n, "Fisher's exact test", error, confidence, float(n))
