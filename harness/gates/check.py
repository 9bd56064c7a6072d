"""Facts that hold or do not, and what `gate(...)` accepts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from harness.records import Verdict


@dataclass(frozen=True)
class Check:
    """A fact such as "every adapter tensor maps to a module".

    Attributes:
        reason: one sentence on what was seen, true whichever way it went.
        remedy: what to do where it does not hold.
        details: JSON facts for the report (the tensors that failed).
    """

    name: str
    holds: bool
    reason: str
    remedy: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def decide(self, *, confidence: float = 0.95) -> Verdict:
        """Pass where the fact holds, else fail. `confidence` has no part in it."""
        return Verdict(
            gate=self.name,
            outcome="pass" if self.holds else "fail",
            reason=self.reason,
            kind="holds",
            rule="holds",
            method="exact",
            confidence=confidence,
            remedy="" if self.holds else self.remedy,
            details=dict(self.details),
        )


@runtime_checkable
class Gateable(Protocol):
    """Something that can be decided: a rule over a measurement or a scalar, or a check."""

    def decide(self, *, confidence: float = 0.95) -> Verdict:
        """The verdict, with a suggested `gate` name; suite, test and duration are the caller's to set."""
        ...
