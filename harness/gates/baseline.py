"""Gates against the baseline: is the candidate no worse than the adapter that was released last?

Every gate on a metric of a task's samples is put a second time, with the baseline's samples in the base's place:
non-inferior within the gate's own tolerable loss, where it names one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.errors import AssayError, TaskError, some_of
from harness.gates.comparison import Comparison, Evaluation
from harness.gates.decision import Decision
from harness.gates.evidence import Evidence
from harness.gates.kinds import KINDS
from harness.gates.rules import Finding, Rule
from harness.gates.scalar import Gateable
from harness.gates.wording import Reason
from harness.records import Sample, Verdict
from harness.runs.comparability import in_words

_DATA = "data"
_SHOWN = 5
_SAME_WAY = "set a baseline that was measured the same way"
_WHO_EDITED = (
    "find out who edited these rows since, and why: restore the data that the baseline answered, or, where the edit is meant, "
    "measure the released adapter on it and set that run as the baseline"
)


@dataclass(frozen=True)
class AgainstBaseline:
    """A rule, put to candidate and baseline.

    Attributes:
        rule: as it was put first: to candidate and base, or to the candidate's own level.
        candidate: the candidate's samples of the rule's task.
        baseline: the samples of it in the baseline.
        name: of the baseline.
        differing: why the two runs' samples are not comparable (`comparability.differing_parts`); the verdict is an error
            then.
        margin: the tolerable loss where the rule names none of its own (all but `non_inferior`).
    """

    rule: Rule
    candidate: Evaluation
    baseline: Sequence[Sample]
    name: str
    differing: Mapping[str, tuple[str, str]]
    margin: float

    def decide(self, *, confidence: float = 0.95) -> Verdict:
        """The verdict; `error` where the two runs cannot be compared."""
        measured = self.rule.measurement
        margin = self.rule.threshold if self.rule.kind == "non_inferior" else self.margin
        if self.differing:
            problem = f"the runs cannot be compared on {measured.task}: {in_words(self.differing)} differ"
            edited = _edited(self.baseline, self.candidate.samples) if _DATA in self.differing else ""
            verdict = self._error(margin, confidence, f"{problem}{edited}", _WHO_EDITED if edited else _SAME_WAY)
        else:
            try:
                task, samples = self.candidate.task, self.candidate.samples
                comparison = Comparison(task, self.baseline, samples, base_name="released adapter")
                narrowed = comparison.where(**measured.slice) if measured.slice else comparison
                paired = replace(narrowed.metric(measured.metric.name), noise=measured.noise)
                verdict = paired.non_inferior(margin, remedy=self.rule.remedy).decide(confidence=confidence)
            except AssayError as error:
                verdict = self._error(margin, confidence, error.problem, error.remedy)
        return replace(verdict, reason=f"against {self.name}: {verdict.reason}", against=self.name)

    def _error(self, margin: float, confidence: float, reason: str, remedy: str) -> Verdict:
        rule = Rule("non_inferior", self.rule.measurement, margin)
        return replace(Finding(rule, confidence, Decision("error"), Reason(reason), remedy).verdict(), n=None)


def paired_rule(gateable: Gateable) -> Rule | None:
    """The rule over a metric of samples, which pair with another run's; None where the gate rests on none, or is about another
    opponent than the base.

    None too for a level of a metric without bounds: a loss that is tolerable everywhere (`margins.baseline`) is points of
    a share, and says nothing of tokens or nats.
    """
    rule = getattr(gateable, "rule", gateable)  # of a gate that says more than its rule does
    if not isinstance(rule, Rule) or rule.measurement.opponent:
        return None
    of_level = not KINDS.get(rule.kind).paired
    return None if of_level and rule.measurement.metric.range is None else rule


def is_stored(rule: Rule, candidate: Evaluation, baseline: Sequence[Sample]) -> bool:
    """Whether the samples of candidate and baseline hold what the rule is about.

    They do not hold what was computed for a gate alone, nor the base's answers (`evaluate(task, "base")`). A metric whose
    differences are biased (`gate_instead`) is held against nobody.
    """
    measured = rule.measurement
    try:
        metric = candidate.task.metric(measured.metric.name)
    except TaskError:
        return False
    if metric.gate_instead is not None or not any(metric.corpus or metric.name in s.scores for s in baseline):
        return False
    return measured.base is not None or _is_of(candidate, measured)


def _is_of(candidate: Evaluation, measured: Evidence) -> bool:
    narrowed = candidate.where(**measured.slice) if measured.slice else candidate
    own = narrowed.metric(measured.metric.name)
    same = own.item_ids == measured.item_ids and own.candidate_parsed == measured.candidate_parsed
    return same and np.array_equal(own.candidate, measured.candidate, equal_nan=True)


def _edited(before: Sequence[Sample], now: Sequence[Sample]) -> str:
    """Which items are not what the baseline was asked, in words; empty where all that both were asked are."""
    then, today = ({s.item_id: (s.prompt, s.target) for s in samples} for samples in (before, now))
    kinds = (
        ("changed", [item for item in today if item in then and then[item] != today[item]]),
        ("new", [item for item in today if item not in then]),
        ("gone", [item for item in then if item not in today]),
    )
    told = [f"{len(items)} {what} ({some_of(items, _SHOWN)})" for what, items in kinds if items]
    return f"; of {len(today)} items {', '.join(told)}" if told else ""
