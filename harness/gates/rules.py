"""Rules over a measurement, decided three ways from an interval.

With [low, high] the two-sided interval of the candidate's gain (signed so that more is better) or of its
metric, so that each side errs at most (1 - confidence) / 2 of the time:

| rule | pass | fail |
|---|---|---|
| superior by b | low >= b and low > 0 | high < b |
| non-inferior within m | low > -m | high < -m |
| at least v | low >= v | high < v |
| at most v | high <= v | low > v |

Everything else is inconclusive: the truth may lie on either side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.gates.breakdown import breakdown, explain_level, explain_loss
from harness.gates.config import Kind
from harness.gates.rarity import rests_on_too_few
from harness.gates.remedies import NEEDS_ITEMS, UNUSABLE_SCORES, remedy_for
from harness.gates.slices import slice_table
from harness.gates.wording import Wording
from harness.metrics.base import Metric
from harness.runs.schema import Estimate, Outcome, Verdict
from harness.stats import Interval, minimum_detectable_effect
from harness.stats.arrays import check_confidence

if TYPE_CHECKING:
    from harness.gates.measurement import Measurement

_MIN_CLUSTERS = 2


@dataclass(frozen=True)
class Rule:
    """A question put to a measurement.

    Attributes:
        threshold: the margin of `superior` and `non_inferior` (0 or more, in units of the metric), the
            bound of `at_least` and `at_most`.
        remedy: what to do where it fails; a general one where none is given.
    """

    kind: Kind
    measurement: Measurement
    threshold: float
    remedy: str = ""

    def decide(self, *, confidence: float = 0.95) -> Verdict:
        """The verdict; `error` where the scores cannot be used, `inconclusive` where they do not suffice.

        Raises:
            ValueError: confidence not between 0 and 1.
        """
        check_confidence(confidence)
        measured = self.measurement
        defect = _defect(measured)
        if defect:
            return self._verdict("error", defect, confidence, remedy=UNUSABLE_SCORES)
        if measured.n_clusters < _MIN_CLUSTERS:
            return self._verdict("inconclusive", _too_few(measured), confidence, remedy=NEEDS_ITEMS)
        try:
            return self._decide(confidence)
        except ValueError as error:
            reason = f"{measured.label} cannot be measured: {error}"
            return self._verdict("error", reason, confidence, remedy=UNUSABLE_SCORES)

    def _decide(self, confidence: float) -> Verdict:
        measured = self.measurement
        paired = self.kind in ("superior", "non_inferior")
        candidate, base = measured.candidate_interval(confidence), measured.base_interval(confidence)
        estimate = measured.difference(confidence) if paired else candidate
        wording = Wording(measured.metric, measured.base_name)
        if self.kind == "superior":
            outcome, reason = _superior(_gain(estimate, measured.metric), self.threshold, wording)
        elif self.kind == "non_inferior":
            gain = _gain(estimate, measured.metric)
            outcome, reason = _non_inferior(gain, self.threshold, wording)
            # Below a base at its floor there is little room to fall: a drop seen all the same stays a fail.
            if outcome != "fail" and base is not None:
                seen, room = wording.change(gain.value, gain.low, gain.high), _room(base, measured.metric)
                if _at_floor(base, measured.metric):
                    outcome, reason = "inconclusive", wording.at_floor(base, seen)
                elif room is not None and room <= self.threshold and gain.low < 0:
                    outcome, reason = "inconclusive", wording.near_floor(base, room, self.threshold, seen)
        else:
            outcome, reason = _bounded(self.kind, estimate, self.threshold, wording)
        if outcome == "pass" and rests_on_too_few(measured, self.kind, self.threshold, confidence):
            outcome, reason = (
                "inconclusive",
                f"{reason}, but too few items differ from the rest to rule out rare bad ones",
            )
        slices = slice_table(measured, confidence)
        details = breakdown(measured, slices)
        if outcome == "fail":
            source, more = (explain_loss if paired else explain_level)(measured, slices)
            reason, details = (f"{reason}; {source}" if source else reason), {**details, **more}
        remedy = (self.remedy if outcome == "fail" else "") or remedy_for(self.kind, outcome, reason)
        return self._verdict(
            outcome,
            reason,
            confidence,
            estimate=estimate,
            base=base,
            candidate=candidate,
            remedy=remedy,
            details=details,
        )

    def _verdict(
        self,
        outcome: Outcome,
        reason: str,
        confidence: float,
        *,
        estimate: Interval | None = None,
        base: Interval | None = None,
        candidate: Interval | None = None,
        remedy: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> Verdict:
        measured = self.measurement
        return Verdict(
            gate=f"{measured.label}/{self.kind}",
            outcome=outcome,
            reason=reason,
            task=measured.task,
            metric=measured.metric.name,
            rule=_in_words(self.kind, self.threshold),
            margin=self.threshold,
            higher_is_better=measured.metric.higher_is_better,
            estimate=_estimate(estimate),
            base=_estimate(base),
            candidate=_estimate(candidate),
            n=measured.n,
            method=estimate.method if estimate is not None else "",
            confidence=confidence,
            minimum_detectable_effect=minimum_detectable_effect(estimate) if estimate is not None else None,
            remedy=remedy,
            slice=dict(measured.slice),
            details=details or {},
        )


@dataclass(frozen=True)
class Gain:
    """A paired difference signed so that above 0 the candidate is the better one."""

    value: float
    low: float
    high: float


def _gain(difference: Interval, metric: Metric) -> Gain:
    if metric.higher_is_better:
        return Gain(difference.value, difference.low, difference.high)
    return Gain(-difference.value, -difference.high, -difference.low)


def _superior(gain: Gain, by: float, wording: Wording) -> tuple[Outcome, str]:
    seen = wording.change(gain.value, gain.low, gain.high)
    required = f"the {wording.amount(by)} required" if by else ""
    if gain.low >= by and gain.low > 0:
        return "pass", f"{seen}, more than {required}" if by else seen
    if gain.high < by:
        return "fail", f"{seen}, less than {required}" if by else f"{seen}, where an improvement is required"
    return "inconclusive", f"{seen}, {f'which may be more or less than {required}' if by else 'so it may be no better'}"


def _non_inferior(gain: Gain, margin: float, wording: Wording) -> tuple[Outcome, str]:
    seen = wording.change(gain.value, gain.low, gain.high)
    allowed = f"the {wording.amount(margin)} allowed"
    if gain.low > -margin:
        if gain.low >= 0:
            return "pass", f"{seen}, so nothing was lost"
        worst = f"at worst {wording.worse} {wording.amount(gain.low)}"
        return "pass", f"{wording.moved(gain.value)}, {worst}, within {allowed}"
    if gain.high < -margin:
        return "fail", f"{seen}, more than {allowed}"
    return "inconclusive", f"{seen}, so a loss of more than {allowed} cannot be ruled out"


def _bounded(kind: Kind, level: Interval, bound: float, wording: Wording) -> tuple[Outcome, str]:
    seen = wording.level(level)
    words = f"at {'least' if kind == 'at_least' else 'most'} {wording.share(bound)}"
    above, below = level.low >= bound, level.high <= bound
    beyond = level.high < bound if kind == "at_least" else level.low > bound
    if above if kind == "at_least" else below:
        return "pass", f"{seen}, {words} as required"
    if beyond:
        return "fail", f"{seen}, but {words} is required"
    return "inconclusive", f"{seen}, which may or may not be {words}"


def _at_floor(base: Interval, metric: Metric) -> bool:
    if metric.floor is None:
        return False
    return base.low <= metric.floor if metric.higher_is_better else base.high >= metric.floor


def _room(base: Interval, metric: Metric) -> float | None:
    """How much can be lost before nothing is left; None for a metric without a floor."""
    if metric.floor is None:
        return None
    return base.value - metric.floor if metric.higher_is_better else metric.floor - base.value


def _defect(measured: Measurement) -> str:
    """What makes the scores unusable; empty where nothing does."""
    if measured.metric.corpus is not None:
        return ""
    for role, scores in ((measured.base_name, measured.base), ("candidate", measured.candidate)):
        bad = np.flatnonzero(~np.isfinite(scores)) if scores is not None else np.array([], dtype=np.int64)
        if scores is not None and bad.size:
            first = f"{scores[bad[0]]} on item {measured.item_ids[bad[0]]!r}"
            return f"{bad.size} of {measured.n} {role} scores of {measured.label} are not finite: {first}"
    return ""


def _too_few(measured: Measurement) -> str:
    items = f"{measured.n} item{'' if measured.n == 1 else 's'}"
    groups = " in one cluster" if measured.n > 1 else ""
    return f"only {items}{groups} measured, and a decision needs at least {_MIN_CLUSTERS} independent ones"


def _in_words(kind: Kind, threshold: float) -> str:
    if kind == "superior":
        return f"superior by {threshold:g}" if threshold else "superior"
    if kind == "non_inferior":
        return f"non-inferior within {threshold:g}"
    return f"at {'least' if kind == 'at_least' else 'most'} {threshold:g}"


def _estimate(interval: Interval | None) -> Estimate | None:
    return None if interval is None else Estimate(interval.value, interval.low, interval.high)
