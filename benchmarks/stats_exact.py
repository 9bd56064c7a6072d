"""Exact tests at 2.5% a side, as the field has them: what counts allow to a test that never errs more than nominal.

Each says of every outcome whether the truth is taken to lie above, and below, the value asked about.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import gammaln, xlogy

from benchmarks.stats_cell import ALPHA
from harness.stats.paired_binary import change_moments

Counts = NDArray[np.int64]
Rejected = tuple[NDArray[np.bool_], NDArray[np.bool_]]

# Chances of a gain at which an unconditional test is held to nominal; denser near 0, where it errs most. With twice as
# many the critical values stay the same.
NUISANCE: NDArray[np.float64] = np.linspace(0.0, 1.0, 200) ** 2
# Statistics that differ by less are ties: reject both or neither.
DECIMALS = 9


def clopper_pearson(count: Counts, n: int, share: float) -> Rejected:
    """Of a share (Clopper & Pearson 1934, Biometrika 26, 404-413): no valid test that takes the larger counts first
    errs more often.
    """
    above: NDArray[np.bool_] = stats.binom.sf(count - 1, n, share) <= ALPHA
    below: NDArray[np.bool_] = stats.binom.cdf(count, n, share) <= ALPHA
    return above, below


def losses_alone(lost: Counts, n: int, margin: float) -> Rejected:
    """Of a loss, by one who knows that nothing can be gained: Clopper-Pearson, fewer losses being better."""
    more, fewer = clopper_pearson(lost, n, margin)
    return fewer, more


def mcnemar(gained: Counts, lost: Counts) -> Rejected:
    """Of no difference, given how many pairs differ (McNemar's exact test)."""
    differing = gained + lost
    above: NDArray[np.bool_] = stats.binom.sf(gained - 1, differing, 0.5) <= ALPHA
    below: NDArray[np.bool_] = stats.binom.cdf(gained, differing, 0.5) <= ALPHA
    return above, below


def unconditional(gained: Counts, lost: Counts, n: int, margin: float) -> Rejected:
    """Of a difference of -margin, whatever the share of pairs that differ.

    Suissa & Shuster 1991, Biometrics 47, 361-372; Sidik 2003, Statistics in Medicine 22, 265-278: Tango's statistic
    with the least critical values that never err more than nominal. They are sought over all (n + 1)(n + 2) / 2
    outcomes: for n up to a thousand.
    """
    statistic = _tango(gained, lost, n, margin)
    high, low = _critical_values(n, margin)
    return statistic >= high, statistic <= -low


@cache
def _critical_values(n: int, margin: float) -> tuple[float, float]:
    gained, lost = (axis.ravel() for axis in np.indices((n + 1, n + 1)))
    gained, lost = gained[gained + lost <= n], lost[gained + lost <= n]
    same = n - gained - lost
    ways = gammaln(n + 1) - gammaln(gained + 1) - gammaln(lost + 1) - gammaln(same + 1)
    statistic = _tango(gained, lost, n, margin)
    extremes = [sign * statistic for sign in (1, -1)]
    orders = [np.argsort(-extreme) for extreme in extremes]
    worst = [np.zeros(statistic.size) for _ in orders]
    for gain in (1 - margin) / 2 * NUISANCE:
        equal = max(0.0, 1 - 2 * gain - margin)
        chance = np.exp(ways + xlogy(gained, gain) + xlogy(lost, gain + margin) + xlogy(same, equal))
        for errs, order in zip(worst, orders, strict=True):
            np.maximum(errs, np.cumsum(chance[order]), out=errs)
    high, low = (_least(extreme[order], errs) for extreme, order, errs in zip(extremes, orders, worst, strict=True))
    return high, low


def _least(falling: NDArray[np.float64], errs: NDArray[np.float64]) -> float:
    """The least value at which all that are as large may be rejected together; infinite where none may."""
    last_of_ties = np.append(falling[1:] != falling[:-1], True)
    allowed = np.flatnonzero(last_of_ties & (errs <= ALPHA))
    return float(falling[allowed[-1]]) if allowed.size else float("inf")


def _tango(gained: Counts, lost: Counts, n: int, margin: float) -> NDArray[np.float64]:
    variance = change_moments(-margin, gained, lost, n).variance
    score = ((gained - lost) / n + margin) / np.sqrt(np.where(variance > 0, variance, 1.0) / n)
    return np.round(score, DECIMALS)
