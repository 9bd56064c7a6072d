"""The one three-way decision: an estimate with its interval against a limit, and the verdict that says so.

Each end of a two-sided interval errs at most (1 - confidence) / 2 of the time, and so does each side of the decision.
Imported at pytest collection: no numpy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.gates.kinds import RuleKind
from harness.records import Cause, Estimate, Limit, Outcome, Verdict
from harness.runs.gate_names import gate_name
from harness.stats import Interval, minimum_detectable_effect


@dataclass(frozen=True)
class Decision:
    """An outcome and, of an inconclusive one, what keeps it open; `interval` where nothing else does."""

    outcome: Outcome
    because: tuple[Cause, ...] = ()

    def inconclusive(self, cause: Cause) -> Decision:
        """Inconclusive for this cause too."""
        return Decision("inconclusive", (*(one for one in self.because if one != "interval"), cause))


def decide(estimate: Estimate, limit: Limit) -> Decision:
    """Pass where all of the interval keeps the limit, fail where all of it breaks it, else inconclusive.

    An estimate without an interval is exact and never inconclusive, but on a strict limit itself. One that is not finite is
    an error. A limit `within` a value of 0 is kept where two one-sided tests both say so.
    """
    if not math.isfinite(estimate.value):
        return Decision("error")
    low, high = estimate.ends
    if limit.side == "within":  # the least and the largest size, with a limit from above
        low, high = max(low, -high, 0.0), max(-low, high)
    worst, best, wanted = (low, high, limit.value) if limit.side == "above" else (-high, -low, -limit.value)
    if worst > wanted or (worst == wanted and not limit.strict):
        return Decision("pass")
    return Decision("fail") if best < wanted else Decision("inconclusive", ("interval",))


def estimate_of(found: Interval | Estimate) -> Estimate:
    """What a verdict keeps of an interval."""
    return Estimate(found.value, found.low, found.high)


def verdict_on(
    kind: RuleKind,
    threshold: float,
    decision: Decision,
    found: Interval | Estimate | None,
    *,
    metric: str,
    higher_is_better: bool,
    task: str = "",
    tags: Mapping[str, str] | None = None,
    **facts: Any,
) -> Verdict:
    """The verdict of a rule on a number: what kind, decision and interval say of themselves, and further `facts`.

    Args:
        found: the number the rule is about; None where nothing could be measured.
        facts: fields of the verdict.
    """
    limit = kind.limit(threshold)
    return Verdict(
        gate=gate_name(metric, kind.name, task=task, tags=tags),
        outcome=decision.outcome,
        task=task or None,
        metric=metric,
        kind=kind.name,
        rule=kind.words(threshold),
        margin=threshold,
        limit=limit.of_metric(higher_is_better) if kind.paired else limit,
        paired=kind.paired,
        higher_is_better=higher_is_better,
        estimate=None if found is None or decision.outcome == "error" else estimate_of(found),
        open_because=decision.because,
        method=_method(found),
        minimum_detectable_effect=minimum_detectable_effect(found) if isinstance(found, Interval) else None,
        slice=dict(tags or {}),
        **facts,
    )


def _method(found: Interval | Estimate | None) -> str:
    if isinstance(found, Estimate):
        return "exact" if found.low is None else "normal"
    return "" if found is None else found.method
