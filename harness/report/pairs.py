"""Base and candidate samples side by side, and what changed between them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.metrics.base import GENERAL_METRICS
from harness.records import Sample, Verdict

_OF_ANY_ANSWER = frozenset(metric.name for metric in GENERAL_METRICS)


@dataclass(frozen=True)
class MetricFacts:
    """What is known of a task's metric from the run alone.

    Attributes:
        judged: it says whether the answer is right: a gate of the run rests on it, or its task has no such gated metric
            at all. Only judged metrics make a sample count as improved, regressed or failing: that an answer ended by
            itself, or how long it is, does not make it a better one.
        binary: every score is 0 or 1.
    """

    name: str
    higher_is_better: bool
    judged: bool
    binary: bool


@dataclass(frozen=True)
class Pair:
    """The two answers to one item; one may be missing.

    Attributes:
        failing: the candidate's score on a judged binary metric is the bad one.
    """

    base: Sample | None
    candidate: Sample | None
    changed: bool
    regressed: bool
    improved: bool
    failing: bool

    @property
    def item(self) -> Sample:
        """The sample to take what both share from: item id, prompt, target, tags."""
        sample = self.candidate or self.base
        if sample is None:
            raise ValueError("a pair has at least one sample")
        return sample


def metric_facts(samples: Iterable[Sample], verdicts: Iterable[Verdict]) -> dict[str, list[MetricFacts]]:
    """The metrics of each task, in the order the samples name them.

    A run does not store a metric's direction; its gates do. A metric no gate rests on is taken to be better
    when higher.
    """
    scores: dict[str, dict[str, set[float]]] = {}
    for sample in samples:
        metrics = scores.setdefault(sample.task, {})
        for name, score in sample.scores.items():
            seen = metrics.setdefault(name, set())
            if score is not None and len(seen) < 3:
                seen.add(score)
    gated = {(v.task, v.metric): v.higher_is_better for v in verdicts if v.task and v.metric}
    facts = {}
    for task, metrics in scores.items():
        own = [name for name in metrics if name not in _OF_ANY_ANSWER] or list(metrics)
        judged = {name for name in own if (task, name) in gated} or set(own)
        facts[task] = [
            MetricFacts(name, gated.get((task, name), True), name in judged, seen <= {0.0, 1.0})
            for name, seen in metrics.items()
        ]
    return facts


def pair_samples(samples: Iterable[Sample], facts: dict[str, list[MetricFacts]]) -> list[Pair]:
    """Samples paired by task, item and prompt, in the order in which items first appear."""
    items: dict[tuple[str, str, str], dict[str, Sample]] = {}
    for sample in samples:
        items.setdefault((sample.task, sample.item_id, sample.prompt_digest), {})[sample.role] = sample
    return [
        Pair(None, both["judge"], *[False] * 4)
        if "judge" in both
        else _pair(both.get("base"), both.get("candidate"), facts[key[0]])
        for key, both in items.items()
    ]


def _pair(base: Sample | None, candidate: Sample | None, metrics: Sequence[MetricFacts]) -> Pair:
    judged = [m for m in metrics if m.judged]
    gains = [_gain(base, candidate, m) for m in judged] if base and candidate else []
    failing = candidate is not None and any(
        m.binary and candidate.scores.get(m.name) == (0.0 if m.higher_is_better else 1.0) for m in judged
    )
    changed = bool(
        base and candidate and (base.answer != candidate.answer or any(_gain(base, candidate, m) for m in metrics))
    )
    return Pair(base, candidate, changed, any(g < 0 for g in gains), any(g > 0 for g in gains), failing)


def _gain(base: Sample, candidate: Sample, metric: MetricFacts) -> float:
    before, after = base.scores.get(metric.name), candidate.scores.get(metric.name)
    if before is None or after is None or not (math.isfinite(before) and math.isfinite(after)):
        return 0.0
    return (after - before) if metric.higher_is_better else (before - after)
