"""A metric measured on a task, and the rules put to it; each is decided from an interval (`harness.gates.kinds`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from harness.gates.breakdown import breakdown, explain_level, explain_loss
from harness.gates.decision import Decision, decide, estimate_of, verdict_on
from harness.gates.evidence import Evidence
from harness.gates.floor_test import at_floor
from harness.gates.kinds import KINDS, NEEDS_ITEMS, UNUSABLE_SCORES, needs
from harness.gates.preconditions import check_gateable, check_threshold
from harness.gates.slices import Table, slice_table
from harness.gates.sparse_evidence import rests_on_too_few
from harness.gates.wording import Reason, Wording
from harness.records import Verdict
from harness.stats import Interval
from harness.stats.arrays import check_confidence

MIN_CLUSTERS = 2
"""Independent items that a decision needs."""


@dataclass(frozen=True)
class Rule:
    """A question put to a measurement.

    Attributes:
        kind: one of `harness.gates.kinds.KINDS`.
        threshold: the margin of `superior` and `non_inferior` (0 or more, in units of the metric), the
            bound of `at_least` and `at_most`.
        remedy: what to do where it fails; a general one where none is given.
        notes: what else the reason says.
        facts: further details of the verdict, JSON.
    """

    kind: str
    measurement: Evidence
    threshold: float
    remedy: str = ""
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def decide(self, *, confidence: float = 0.95) -> Verdict:
        """The verdict; `error` where the scores cannot be used, `inconclusive` where they do not suffice.

        Raises:
            ValueError: confidence not between 0 and 1.
        """
        return self.find(confidence).verdict()

    def find(self, confidence: float) -> Finding:
        """What the verdict is made of, for gates that have more to say. Raises as `decide` does."""
        check_confidence(confidence)
        measured = self.measurement
        defect = _defect(measured)
        if defect:
            return Finding(self, confidence, Decision("error"), Reason(defect), UNUSABLE_SCORES)
        if measured.n_clusters < MIN_CLUSTERS:
            few = Decision("inconclusive", ("too_few",))
            return Finding(self, confidence, few, Reason(_too_few(measured)), NEEDS_ITEMS)
        try:
            return self._find(confidence)
        except ValueError as error:
            reason = Reason(f"{measured.label} cannot be measured: {error}")
            return Finding(self, confidence, Decision("error"), reason, UNUSABLE_SCORES)

    def _find(self, confidence: float) -> Finding:
        kind, measured = KINDS.get(self.kind), self.measurement
        candidate, base = measured.candidate_interval(confidence), measured.base_interval(confidence)
        wording, limit = Wording(measured.metric, measured.base_name), kind.limit(self.threshold)
        found = estimate_of(measured.gain(confidence) if kind.paired else candidate)
        decision = decide(found, limit)
        if decision.outcome == "error":
            raise ValueError(f"it is {found.value}")
        reason = Reason(kind.say(decision.outcome, found, self.threshold, wording))
        # Below a base at its floor there is little room to fall: a drop seen all the same stays a fail. What another opponent
        # cannot do, need not be kept of it.
        nothing_to_keep = decision.outcome == "pass" and measured.opponent
        if kind.needs_room and decision.outcome != "fail" and base is not None and not nothing_to_keep:
            floor = at_floor(estimate_of(base), found, self.threshold, wording)
            if floor:
                decision, reason = decision.inconclusive("at_floor"), Reason(wording.change(found)).after(floor)
        if decision.outcome == "pass" and rests_on_too_few(measured, limit, confidence, paired=kind.paired):
            decision = decision.inconclusive("sparse")
            reason = Reason(f"{reason}, but too few items differ from the rest to rule out rare bad ones")
        slices = slice_table(measured, confidence)
        reason, details = reason.noting(*self.notes), {**breakdown(measured, slices), **self.facts}
        if decision.outcome == "fail":
            source, more = (explain_loss if kind.paired else explain_level)(measured, slices)
            reason, details = reason.noting(source), {**details, **more}
        remedy = {"fail": self.remedy or kind.remedy, "inconclusive": needs(decision.because)}.get(decision.outcome, "")
        estimate = measured.difference(confidence) if kind.paired else candidate
        return Finding(self, confidence, decision, reason, remedy, estimate, base, candidate, slices, details)


@dataclass(frozen=True)
class Finding:
    """What a rule found: its verdict, in parts that a gate may add to.

    Attributes:
        estimate, base, candidate: None where nothing could be measured.
        slices: how each slice of the items fared.
    """

    rule: Rule
    confidence: float
    decision: Decision
    reason: Reason
    remedy: str
    estimate: Interval | None = None
    base: Interval | None = None
    candidate: Interval | None = None
    slices: Table = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    def verdict(self) -> Verdict:
        """In the form that is stored."""
        measured = self.rule.measurement
        found = verdict_on(
            KINDS.get(self.rule.kind),
            self.rule.threshold,
            self.decision,
            self.estimate,
            metric=measured.metric.name,
            higher_is_better=measured.metric.higher_is_better,
            task=measured.task,
            tags=measured.slice,
            reason=str(self.reason),
            base=None if self.base is None else estimate_of(self.base),
            candidate=None if self.candidate is None else estimate_of(self.candidate),
            n=measured.n_items,
            confidence=self.confidence,
            remedy=self.remedy,
            details=self.details,
        )
        if found.paired and measured.noise is not None:
            found = replace(found, noise=measured.noise)
            found = replace(found, reason=str(self.reason.noting(_under_noise(found, measured))))
        return replace(found, gate=f"{measured.opponent}/{found.gate}") if measured.opponent else found


@dataclass(frozen=True, eq=False)
class Measurement(Evidence):
    """A metric measured on a task: the evidence that rules are put to."""

    def superior(self, by: float = 0.0, *, remedy: str = "") -> Rule:
        """The candidate is better than the base by at least `by` (0 or more); `remedy` is what to do where it is not."""
        return self.rule("superior", by, remedy=remedy)

    def non_inferior(self, margin: float, *, remedy: str = "") -> Rule:
        """The candidate is worse than the base by less than `margin` (above 0)."""
        return self.rule("non_inferior", margin, remedy=remedy)

    def at_least(self, value: float, *, remedy: str = "") -> Rule:
        """The candidate's metric is `value` or more."""
        return self.rule("at_least", value, remedy=remedy)

    def at_most(self, value: float, *, remedy: str = "") -> Rule:
        """The candidate's metric is `value` or less."""
        return self.rule("at_most", value, remedy=remedy)

    def rule(self, kind: str, threshold: float, *, remedy: str = "") -> Rule:
        """A rule of any kind (`harness.gates.kinds.KINDS`).

        Raises:
            ConfigError: the threshold makes no sense, or the rule compares and there is no base, or none to compare by.
        """
        asked = KINDS.get(kind)
        check_threshold(asked, threshold, self.metric, self.label)
        if asked.paired and self.base is None:
            raise self.no_base()
        check_gateable(asked, self.metric, self.label)
        return Rule(kind, self, threshold, remedy)


def _defect(measured: Evidence) -> str:
    """What makes the scores unusable; empty where nothing does."""
    if measured.metric.corpus is not None:
        return ""
    for role, scores in ((measured.base_name, measured.base), ("candidate", measured.candidate)):
        if scores is not None and (bad := np.flatnonzero(~np.isfinite(scores))).size:
            first = f"{scores[bad[0]]} on item {measured.item_ids[bad[0]]!r}"
            return f"{bad.size} of {measured.n} {role} scores of {measured.label} are not finite: {first}"
    return ""


def _under_noise(verdict: Verdict, measured: Evidence) -> str:
    """That the margin is smaller than what one candidate differs from itself by; empty where it is not."""
    if verdict.noise is None or not verdict.is_under_noise:
        return ""
    amount = Wording(measured.metric).amount
    return (
        f"the margin of {amount(verdict.margin or 0.0)} is under the noise: two measurements of one candidate differ by up to "
        f"{amount(verdict.noise.floor)}"
    )


def _too_few(measured: Evidence) -> str:
    items = f"{measured.n_items} item{'' if measured.n_items == 1 else 's'}"
    groups = " in one cluster" if measured.n_items > 1 else ""
    return f"only {items}{groups} measured, and a decision needs at least {MIN_CLUSTERS} independent ones"
