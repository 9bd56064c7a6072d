"""Gates on facts, and on numbers that are no metric of a task's samples. Imported at pytest collection: no numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import Any, Protocol, runtime_checkable

from harness.errors import UndecidedError
from harness.gates.decision import Decision, decide, estimate_of, verdict_on
from harness.gates.kinds import KINDS, NEEDS_ITEMS
from harness.gates.wording import Reason, between
from harness.records import Estimate, Outcome, Verdict
from harness.stats import Interval

_LEAST = 2


@runtime_checkable
class Gateable(Protocol):
    """Something that can be decided: a rule over a measurement or a scalar, or a check."""

    def decide(self, *, confidence: float = 0.95) -> Verdict:
        """The verdict, with a suggested `gate` name; suite, test and duration are the caller's to set."""
        ...


@dataclass(frozen=True)
class Check:
    """A fact such as "every adapter tensor maps to a module".

    Attributes:
        reason: one sentence on what was seen, true whichever way it went.
        remedy: what to do where it does not hold.
        details: JSON facts for the report (the tensors that failed).
        looked_at: of a fact about many things, how many there were: about none nothing holds. None for any other fact.
    """

    name: str
    holds: bool
    reason: str
    remedy: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    looked_at: int | None = None

    def decide(self, *, confidence: float = 0.95) -> Verdict:
        """Pass where the fact holds, else fail; error where there was nothing to look at. `confidence` has no part in it."""
        outcome: Outcome = "error" if self.looked_at == 0 else "pass" if self.holds else "fail"
        return Verdict(
            gate=self.name,
            outcome=outcome,
            reason=self.reason,
            kind="holds",
            rule="holds",
            method="exact",
            confidence=confidence,
            remedy="" if outcome == "pass" else self.remedy,
            details=dict(self.details),
        )


@dataclass(frozen=True)
class Undecided:
    """A rule on a metric that could not be had, through no fault of the candidate."""

    metric: str
    kind: str
    threshold: float
    error: UndecidedError
    task: str
    tags: Mapping[str, str] = field(default_factory=dict)

    def decide(self, *, confidence: float = 0.95) -> Verdict:
        """Inconclusive, for what was in the way."""
        return verdict_on(
            KINDS.get(self.kind),
            self.threshold,
            Decision("inconclusive", ("obstacle",)),
            None,
            metric=self.metric,
            higher_is_better=True,
            task=self.task,
            tags=self.tags,
            reason=self.error.problem,
            confidence=confidence,
            remedy=self.error.remedy,
        )


@dataclass(frozen=True)
class BoundRule:
    """A bound on a number; meeting it exactly passes.

    Attributes:
        name: of the number, in the gate's name.
        kind: `at_least` or `at_most`, or another that asks for a level.
        measure: confidence -> the number; a ValueError says why it cannot be computed.
        level: the number in words ("loss_gap is 0.2 nats").
        bound: the threshold in words.
        task: in the gate's name too; empty for what belongs to none.
        independent: groups of rows that it rests on, of the side that has fewer; one decides nothing. None for a number that
            was read rather than sampled.
        of_both: it is about both models, whose own values are `base` and `candidate`; else it is the candidate's own.
        remedy: what to do where the bound is broken, or the number is not finite.
        needs: what to do where that stays open.
        notes: what else the reason says.
        details: JSON facts for the report.
    """

    name: str
    kind: str
    threshold: float
    measure: Callable[[float], Interval | Estimate]
    level: Callable[[Estimate], str]
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
        found: Interval | Estimate | None = None
        if self.independent is not None and self.independent < _LEAST:
            decision = Decision("inconclusive", ("too_few",))
            reason = f"{self.name} rests on {self.independent} independent rows, and a decision needs at least {_LEAST}"
        else:
            try:
                found = self.measure(confidence)
                decision, reason = self._decided(estimate_of(found))
            except ValueError as error:
                decision, reason = Decision("error"), f"{self.name} cannot be measured: {error}"
        return self._verdict(decision, reason, found, confidence)

    def _decided(self, estimate: Estimate) -> tuple[Decision, str]:
        kind = KINDS.get(self.kind)
        decision = decide(estimate, kind.limit(self.threshold))
        if decision.outcome == "error":
            return decision, f"{self.name} is {estimate.value}: no decision can rest on it"
        said = Reason(kind.say(decision.outcome, estimate, self.threshold, self))
        return decision, str(said.noting(*self.notes))

    def _verdict(
        self, decision: Decision, reason: str, found: Interval | Estimate | None, confidence: float
    ) -> Verdict:
        remedies = {"fail": self.remedy, "error": self.remedy if found else "", "inconclusive": self.needs}
        own = None if self.candidate is None else Estimate(self.candidate)
        verdict = verdict_on(
            KINDS.get(self.kind),
            self.threshold,
            decision,
            found,
            metric=self.name,
            higher_is_better=self.higher_is_better,
            task=self.task,
            reason=reason,
            base=None if self.base is None else Estimate(self.base),
            n=found.n if isinstance(found, Interval) else None,
            confidence=confidence,
            remedy=remedies.get(decision.outcome, ""),
            details=dict(self.details),
        )
        return replace(verdict, candidate=own if self.of_both else verdict.estimate)


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
            level=lambda estimate: f"{self.name} is {between(estimate, self._number)}",
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
