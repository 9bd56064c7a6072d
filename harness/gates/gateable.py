"""What `gate(...)` accepts."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from harness.runs.schema import Verdict


@runtime_checkable
class Gateable(Protocol):
    """Something that can be decided: a rule over a measurement or a scalar, or a check."""

    def decide(self, *, confidence: float = 0.95) -> Verdict:
        """The verdict, with a suggested `gate` name; suite, test and duration are the caller's to set."""
        ...
