"""The question behind a release: is the candidate no worse than the adapter that was released last?

Every gate that compares candidate and base on a metric is put a second time, with the released adapter's samples in
the base's place: non-inferior within the gate's own tolerable loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.errors import AssayError
from harness.gates.comparison import Comparison, Evaluation
from harness.gates.gateable import Gateable
from harness.gates.rules import Rule
from harness.runs.comparability import in_words
from harness.runs.schema import Sample, Verdict


@dataclass(frozen=True)
class AgainstReleased:
    """A paired rule, put to candidate and released adapter.

    Attributes:
        rule: as it was put to candidate and base.
        candidate: the candidate's samples of the rule's task.
        released: the released adapter's samples of it.
        name: what the released run is called.
        differing: what keeps the two runs' samples apart (`comparability.differing_parts`); the verdict is an error then.
        margin: the tolerable loss where the rule names none of its own (`superior`).
    """

    rule: Rule
    candidate: Evaluation
    released: Sequence[Sample]
    name: str
    differing: Mapping[str, tuple[str, str]]
    margin: float

    def decide(self, *, confidence: float = 0.95) -> Verdict:
        """The verdict; `error` where the two runs cannot be compared."""
        measured = self.rule.measurement
        margin = self.rule.threshold if self.rule.kind == "non_inferior" else self.margin
        verdict = Verdict(
            gate=f"{measured.label}/non_inferior",
            outcome="error",
            reason="",
            task=measured.task,
            metric=measured.metric.name,
            rule=f"non-inferior within {margin:g}",
            margin=margin,
            higher_is_better=measured.metric.higher_is_better,
            confidence=confidence,
            slice=dict(measured.slice),
        )
        if self.differing:
            reason = f"the runs cannot be compared on {measured.task}: {in_words(self.differing)} differ"
            verdict = replace(verdict, reason=reason, remedy="set a baseline that was measured the same way")
        else:
            try:
                comparison = Comparison(self.candidate.task, self.released, self.candidate.samples)
                narrowed = comparison.where(**measured.slice) if measured.slice else comparison
                paired = replace(narrowed.metric(measured.metric.name), base_name="released adapter")
                verdict = paired.non_inferior(margin).decide(confidence=confidence)
            except AssayError as error:
                verdict = replace(verdict, reason=error.problem, remedy=error.remedy)
        return replace(verdict, reason=f"against {self.name}: {verdict.reason}")


def paired_rule(gateable: Gateable) -> Rule | None:
    """The rule that compares candidate and base, None where the gate does not compare."""
    rule = getattr(gateable, "rule", gateable)  # of a gate that says more than its rule does
    return rule if isinstance(rule, Rule) and rule.kind in ("superior", "non_inferior") else None
