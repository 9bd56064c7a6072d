"""The verdict on one number of a server, or that it cannot be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.gates.decision import decide, estimate_of
from harness.records import Estimate, Limit, Verdict
from harness.records.outcome import WORST_FIRST
from harness.stats import Interval


@dataclass(frozen=True)
class Finding:
    """A number that has to keep one limit or several.

    Attributes:
        measure: confidence -> the number.
        told: what it says of the server, in words.
        rule: the limits in words.
        remedy: what to do where one is broken.
        needs: what would tell where it stays open.
    """

    name: str
    measure: Callable[[float], Interval]
    limits: tuple[Limit, ...]
    told: Callable[[Estimate], str]
    rule: str
    remedy: str
    needs: str
    details: Mapping[str, Any] = field(default_factory=dict)

    def decide(self, *, confidence: float = 0.95) -> Verdict:
        """Three ways by the interval; the worst of the limits counts."""
        try:
            found = self.measure(confidence)
        except ValueError as error:  # too few texts, or all alike
            return Untold(self.name, f"nothing can be told: {error}", self.needs).decide(confidence=confidence)
        estimate = estimate_of(found)
        decided = [(decide(estimate, limit), limit) for limit in self.limits]
        decision, limit = min(decided, key=lambda one: WORST_FIRST.index(one[0].outcome))
        open_ = ", which leaves open whether it is" if decision.outcome == "inconclusive" else ": wanted is"
        return Verdict(
            gate=self.name,
            outcome=decision.outcome,
            reason=f"{self.told(estimate)}{open_} {self.rule}",
            kind="served",
            rule=self.rule,
            limit=limit,
            estimate=None if decision.outcome == "error" else estimate,
            open_because=decision.because,
            n=found.n,
            method=found.method,
            confidence=confidence,
            remedy={"pass": "", "inconclusive": self.needs}.get(decision.outcome, self.remedy),
            details=dict(self.details),
        )


@dataclass(frozen=True)
class Untold:
    """What this server does not let be told: inconclusive, and never a pass."""

    name: str
    reason: str
    remedy: str

    def decide(self, *, confidence: float = 0.95) -> Verdict:
        """Inconclusive, for what is in the way."""
        return Verdict(
            gate=self.name,
            outcome="inconclusive",
            reason=self.reason,
            kind="served",
            rule="can be told",
            open_because=("obstacle",),
            confidence=confidence,
            remedy=self.remedy,
        )


def between(estimate: Estimate, form: Callable[[float], str]) -> str:
    """A number with its interval in words."""
    low, high = estimate.ends
    return f"{form(estimate.value)} (between {form(low)} and {form(high)})"
