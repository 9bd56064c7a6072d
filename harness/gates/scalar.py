"""Numbers that are no metric of a task's samples, asked to keep a bound."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

from harness.gates.decision import Decision, decide, estimate_of
from harness.gates.kinds import KINDS, NEEDS_ITEMS
from harness.gates.wording import Reason, Wording, between
from harness.metrics.base import Metric
from harness.runs.gate_names import gate_name
from harness.runs.schema import Estimate, Verdict
from harness.stats import Interval, minimum_detectable_effect

_LEAST = 2


@dataclass(frozen=True)
class BoundRule:
    """A bound on a number; meeting it exactly passes.

    Attributes:
        name: of the number, in the gate's name.
        kind: `at_least` or `at_most`, or another that asks for a level.
        measure: confidence -> the number; a ValueError says why it cannot be computed.
        seen: the number in words ("loss_gap is 0.2 nats").
        bound: the bound in words.
        task: in the gate's name too; empty for what belongs to none.
        independent: groups of rows that it rests on, of the side that has fewer; one decides nothing. None for a number that
            was read rather than sampled.
        base, candidate: the two models' own values, of a number about both; without them it is the candidate's own.
        remedy: what to do where the bound is broken, or the number is not finite.
        needs: what to do where that stays open.
        notes: what else the reason says.
        details: JSON facts for the report.
    """

    name: str
    kind: str
    threshold: float
    measure: Callable[[float], Interval | Estimate]
    seen: Callable[[Estimate], str]
    bound: Callable[[float], str]
    task: str = ""
    higher_is_better: bool = False
    independent: int | None = None
    of_both: bool = False
    base: float | None = None
    candidate: float | None = None
    remedy: str = ""
    needs: str = NEEDS_ITEMS
    notes: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def decide(self, *, confidence: float = 0.95) -> Verdict:
        """Three ways by the interval; error where there is no finite number."""
        if self.independent is not None and self.independent < _LEAST:
            few = f"{self.name} rests on {self.independent} independent rows, and a decision needs at least {_LEAST}"
            return self._verdict(Decision("inconclusive", ("too_few",)), Reason(few), confidence)
        try:
            found = self.measure(confidence)
        except ValueError as error:
            reason = Reason(f"{self.name} cannot be measured: {error}")
            return self._verdict(Decision("error"), reason, confidence, remedy="")
        kind = KINDS[self.kind]
        estimate = found if isinstance(found, Estimate) else estimate_of(found)
        decision = decide(estimate, kind.limit(self.threshold))
        if decision.outcome == "error":
            reason = Reason(f"{self.name} is {estimate.value}: no decision can rest on it")
            return self._verdict(decision, reason, confidence)
        wording = _InOwnWords(Metric(self.name, higher_is_better=self.higher_is_better), rule=self)
        reason = Reason(kind.say(decision.outcome, estimate, self.threshold, wording)).noting(*self.notes)
        return self._verdict(decision, reason, confidence, estimate, found if isinstance(found, Interval) else None)

    def _verdict(
        self,
        decision: Decision,
        reason: Reason,
        confidence: float,
        estimate: Estimate | None = None,
        sampled: Interval | None = None,
        remedy: str | None = None,
    ) -> Verdict:
        kind = KINDS[self.kind]
        of_outcome = {"pass": "", "inconclusive": self.needs}.get(decision.outcome, self.remedy)
        read = "" if self.independent is not None else "exact" if estimate is None or estimate.low is None else "normal"
        return Verdict(
            gate=gate_name(self.name, self.kind, task=self.task),
            outcome=decision.outcome,
            reason=str(reason),
            task=self.task or None,
            metric=self.name,
            kind=self.kind,
            rule=kind.words(self.threshold),
            margin=self.threshold,
            limit=kind.limit(self.threshold),
            higher_is_better=self.higher_is_better,
            estimate=estimate,
            base=None if self.base is None else Estimate(self.base),
            candidate=estimate if not self.of_both else None if self.candidate is None else Estimate(self.candidate),
            open_because=decision.because,
            n=None if sampled is None else sampled.n,
            method=read if sampled is None else sampled.method,
            confidence=confidence,
            minimum_detectable_effect=None if sampled is None else minimum_detectable_effect(sampled),
            remedy=of_outcome if remedy is None else remedy,
            details=dict(self.details),
        )


@dataclass(frozen=True)
class _InOwnWords(Wording):
    rule: BoundRule = field(kw_only=True)

    def level(self, level: Estimate) -> str:
        return self.rule.seen(level)

    def bound(self, value: float) -> str:
        return self.rule.bound(value)


@dataclass(frozen=True)
class Scalar:
    """A named number that is read rather than sampled, such as the gap between training and evaluation loss.

    Without an error of its own it has no interval and is never inconclusive.

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

    def at_least(self, value: float) -> BoundRule:
        """The number is `value` or more."""
        return self._rule("at_least", value)

    def at_most(self, value: float) -> BoundRule:
        """The number is `value` or less."""
        return self._rule("at_most", value)

    def _rule(self, kind: str, threshold: float) -> BoundRule:
        return BoundRule(
            name=self.name,
            kind=kind,
            threshold=threshold,
            measure=self._estimate,
            seen=lambda estimate: f"{self.name} is {between(estimate, self._number)}",
            bound=lambda value: f"{value:g}",
            higher_is_better=self.higher_is_better,
            remedy=self.remedy,
            needs=self.remedy,
            details=self.details,
        )

    def _estimate(self, confidence: float) -> Estimate:
        reach = NormalDist().inv_cdf(0.5 + confidence / 2) * self.error
        return Estimate(self.value, self.value - reach, self.value + reach) if reach else Estimate(self.value)

    def _number(self, value: float) -> str:
        return f"{value:.4g} {self.unit}".rstrip()
