"""The one three-way decision: an estimate with its interval against a limit.

Each end of a two-sided interval errs at most (1 - confidence) / 2 of the time, and so does each side of the decision.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.records import Cause, Estimate, Limit, Outcome

if TYPE_CHECKING:
    from harness.stats import Interval


@dataclass(frozen=True)
class Decision:
    """An outcome and, of an inconclusive one, what keeps it open; `interval` where nothing else does."""

    outcome: Outcome
    because: tuple[Cause, ...] = ()

    def opened(self, cause: Cause) -> Decision:
        """Inconclusive for this cause too."""
        return Decision("inconclusive", (*(one for one in self.because if one != "interval"), cause))


def decide(estimate: Estimate, limit: Limit) -> Decision:
    """Pass where all of the interval keeps the limit, fail where all of it breaks it, else inconclusive.

    An estimate without an interval is exact and never inconclusive, but on a strict limit itself. One that is not finite is
    an error.
    """
    if not math.isfinite(estimate.value):
        return Decision("error")
    low, high = estimate.ends
    worst, best, wanted = (low, high, limit.value) if limit.side == "above" else (-high, -low, -limit.value)
    if worst > wanted or (worst == wanted and not limit.strict):
        return Decision("pass")
    return Decision("fail") if best < wanted else Decision("inconclusive", ("interval",))


def estimate_of(interval: Interval) -> Estimate:
    """What a verdict keeps of an interval."""
    return Estimate(interval.value, interval.low, interval.high)
