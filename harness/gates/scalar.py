"""A number that is read rather than sampled. Without an error of its own it has no interval and is never inconclusive."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, Literal

from harness.runs.schema import Estimate, Outcome, Verdict


@dataclass(frozen=True)
class Scalar:
    """A named number, such as the gap between training and evaluation loss.

    Attributes:
        unit: written after the number in reasons ("nats", "MiB").
        remedy: what to do where the bound is not kept.
        details: JSON facts for the report.
        error: standard error, of a number read off a noisy curve.
    """

    name: str
    value: float
    unit: str = ""
    higher_is_better: bool = True
    remedy: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    error: float = 0.0

    def at_least(self, value: float) -> ScalarRule:
        """The number is `value` or more."""
        return ScalarRule("at_least", self, value)

    def at_most(self, value: float) -> ScalarRule:
        """The number is `value` or less."""
        return ScalarRule("at_most", self, value)


@dataclass(frozen=True)
class ScalarRule:
    """A bound on a scalar; meeting it exactly passes."""

    kind: Literal["at_least", "at_most"]
    scalar: Scalar
    threshold: float

    def decide(self, *, confidence: float = 0.95) -> Verdict:
        """Pass or fail; inconclusive where the bound lies within the number's error; error where it is not finite."""
        value, at_least = self.scalar.value, self.kind == "at_least"
        words = f"at {'least' if at_least else 'most'} {self.threshold:g}"
        reach = NormalDist().inv_cdf(0.5 + confidence / 2) * self.scalar.error
        low, high = (value - reach, value + reach) if reach else (None, None)
        worse, better = (value - reach, value + reach) if at_least else (-value - reach, reach - value)
        wanted = self.threshold if at_least else -self.threshold
        seen = f"{self.scalar.name} is {self._number(value)}"
        if low is not None and high is not None:
            seen += f", between {self._number(low)} and {self._number(high)}"
        outcome: Outcome
        if not math.isfinite(value):
            outcome, reason = "error", f"{self.scalar.name} is {value}: no decision can rest on it"
        elif worse >= wanted:
            outcome, reason = "pass", f"{seen}, {words} as required"
        elif better < wanted:
            outcome, reason = "fail", f"{seen}, but {words} is required"
        else:
            outcome, reason = "inconclusive", f"{seen}, which may or may not be {words}"
        estimate = Estimate(value, low, high) if outcome != "error" else None
        return Verdict(
            gate=f"{self.scalar.name}/{self.kind}",
            outcome=outcome,
            reason=reason,
            metric=self.scalar.name,
            rule=words,
            margin=self.threshold,
            higher_is_better=self.scalar.higher_is_better,
            estimate=estimate,
            candidate=estimate,
            method="normal" if reach else "exact",
            confidence=confidence,
            remedy="" if outcome == "pass" else self.scalar.remedy,
            details=dict(self.scalar.details),
        )

    def _number(self, value: float) -> str:
        return f"{value:.4g} {self.scalar.unit}".rstrip()
