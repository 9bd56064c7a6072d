"""A number with an interval that has to keep below a limit, decided three ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.runs.schema import Estimate, Outcome, Verdict
from harness.stats import Interval, minimum_detectable_effect

_LEAST = 2
_NEEDS_ROWS = "measure more rows (`overfitting:` in assay.yaml, or a larger profile)"


@dataclass(frozen=True)
class Bound:
    """A quantity and its largest allowed value.

    Attributes:
        name: of the quantity, as it appears in the gate's name.
        words: what it is, for the reason ("answers are longer than the base's by a factor of").
        interval: confidence -> the quantity with its interval; a ValueError says why it cannot be computed.
        independent: groups of rows that it rests on, of the side that has fewer; one decides nothing.
        percent: written as percentage points rather than as a number.
        unit: written after the number.
        base, candidate: the two models' own values.
        details: JSON facts for the report.
    """

    name: str
    words: str
    limit: float
    interval: Callable[[float], Interval]
    task: str
    independent: int
    percent: bool = False
    unit: str = ""
    base: float | None = None
    candidate: float | None = None
    remedy: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def decide(self, *, confidence: float = 0.95) -> Verdict:
        """Pass where the whole interval keeps the limit, fail where all of it breaks it, else inconclusive."""
        if self.independent < _LEAST:
            few = f"{self.name} rests on {self.independent} independent rows, and a decision needs at least {_LEAST}"
            return self._verdict("inconclusive", few, confidence, remedy=_NEEDS_ROWS)
        try:
            found = self.interval(confidence)
        except ValueError as error:
            return self._verdict("error", f"{self.name} cannot be measured: {error}", confidence)
        seen = f"{self.words} {self._number(found.value)}, between {self._number(found.low)} and {self._number(found.high)}"
        words = f"at most {self._number(self.limit)}"
        if found.high <= self.limit:
            return self._verdict("pass", f"{seen}, {words} as required", confidence, found)
        if found.low > self.limit:
            return self._verdict("fail", f"{seen}, but {words} is required", confidence, found, self.remedy)
        return self._verdict("inconclusive", f"{seen}, which may or may not be {words}", confidence, found, _NEEDS_ROWS)

    def _verdict(
        self, outcome: Outcome, reason: str, confidence: float, found: Interval | None = None, remedy: str = ""
    ) -> Verdict:
        return Verdict(
            gate=f"{self.task}/{self.name}/at_most",
            outcome=outcome,
            reason=reason,
            task=self.task,
            metric=self.name,
            rule=f"at most {self.limit:g}",
            margin=self.limit,
            higher_is_better=False,
            estimate=None if found is None else Estimate(found.value, found.low, found.high),
            base=None if self.base is None else Estimate(self.base),
            candidate=None if self.candidate is None else Estimate(self.candidate),
            n=None if found is None else found.n,
            method="" if found is None else found.method,
            confidence=confidence,
            minimum_detectable_effect=None if found is None else minimum_detectable_effect(found),
            remedy=remedy,
            details=dict(self.details),
        )

    def _number(self, value: float) -> str:
        return f"{100 * value:.1f} points" if self.percent else f"{value:.3g} {self.unit}".rstrip()
