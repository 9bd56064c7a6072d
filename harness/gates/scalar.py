"""A deterministic number, read rather than sampled: it has no interval and is never inconclusive."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.runs.schema import Estimate, Verdict


@dataclass(frozen=True)
class Scalar:
    """A named number, such as the gap between training and evaluation loss.

    Attributes:
        unit: written after the number in reasons ("nats", "MiB").
        remedy: what to do where the bound is not kept.
        details: JSON facts for the report.
    """

    name: str
    value: float
    unit: str = ""
    higher_is_better: bool = True
    remedy: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

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
        """Pass or fail; error where the number is not finite. `confidence` has no part in it."""
        value, at_least = self.scalar.value, self.kind == "at_least"
        words = f"at {'least' if at_least else 'most'} {self.threshold:g}"
        finite = math.isfinite(value)
        holds = value >= self.threshold if at_least else value <= self.threshold
        if not finite:
            reason = f"{self.scalar.name} is {value}: no decision can rest on it"
        elif holds:
            reason = f"{self.scalar.name} is {self._number(value)}, {words} as required"
        else:
            reason = f"{self.scalar.name} is {self._number(value)}, but {words} is required"
        return Verdict(
            gate=f"{self.scalar.name}/{self.kind}",
            outcome="error" if not finite else "pass" if holds else "fail",
            reason=reason,
            metric=self.scalar.name,
            rule=words,
            margin=self.threshold,
            higher_is_better=self.scalar.higher_is_better,
            estimate=Estimate(value) if finite else None,
            candidate=Estimate(value) if finite else None,
            method="exact",
            confidence=confidence,
            remedy="" if finite and holds else self.scalar.remedy,
            details=dict(self.scalar.details),
        )

    def _number(self, value: float) -> str:
        return f"{value:.4g} {self.scalar.unit}".rstrip()
