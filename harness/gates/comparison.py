"""Samples of a task, alone or paired by item, out of which metrics are measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from harness.errors import UnanswerableError, UndecidedError, some_of
from harness.gates.preconditions import PairingError, carries, no_item_with
from harness.gates.rules import Measurement
from harness.metrics.base import Metric
from harness.records import Noise, Sample
from harness.tasks.base import TaskLike, item_of

_NAMED_IDS = 5


@dataclass(frozen=True)
class Evaluation:
    """One model's samples of a task.

    Attributes:
        slice: the tags these samples were narrowed to.

    Raises:
        PairingError: two samples of one item.
    """

    task: TaskLike
    samples: Sequence[Sample]
    slice: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _by_id(self.samples, self.task.name, "the evaluation")

    def metric(self, name: str) -> Measurement:
        """Measure one metric; samples to which it does not apply are left out.

        Raises:
            TaskError: the task has no such metric.
            PairingError: a sample was not scored by it.
            UndecidedError: a judge was to give it, and left more without than may be.
            UnanswerableError: what runs the model cannot tell it.
        """
        metric = self.task.metric(name)
        kept = [s for s in self.samples if _applies(s, metric, self.task.name)]
        _check_told(metric, self.task.name, kept)
        _check_read(metric, self.task.name, len(self.samples) - len(kept), len(self.samples))
        return _measurement(self.task, self.slice, metric, None, kept)

    def where(self, **tags: str) -> Evaluation:
        """The samples whose items carry all these tags.

        Raises:
            PairingError: there is none; the message lists the values each tag has.
        """
        kept = [s for s in self.samples if carries(s.tags, tags)]
        if not kept:
            raise no_item_with(tags, [sample.tags for sample in self.samples], self.task.name)
        return Evaluation(self.task, kept, {**self.slice, **tags})


@dataclass(frozen=True)
class Comparison:
    """Base and candidate samples of a task, paired by item id with equal prompts.

    Attributes:
        slice: the tags these samples were narrowed to.
        base_name: what the candidate is compared with, for messages.
        opponent: what else than the base it is, in the names of gates; empty for the base.
        noise: by metric, how far two measurements of one candidate lie apart on all of these items.

    Raises:
        PairingError: an item only one side has, asked with another prompt, or twice.
    """

    task: TaskLike
    base: Sequence[Sample]
    candidate: Sequence[Sample]
    slice: Mapping[str, str] = field(default_factory=dict)
    base_name: str = "base"
    opponent: str = ""
    noise: Mapping[str, Noise] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _ = self.pairs

    @cached_property
    def pairs(self) -> Sequence[tuple[Sample, Sample]]:
        """(base, candidate) of each item, in the order of the base."""
        name = self.task.name
        base, candidate = _by_id(self.base, name, "base"), _by_id(self.candidate, name, "candidate")
        remedy = "measure base and candidate on the same items; after a change of the data, measure both again"
        for side, lacking in (("candidate", base.keys() - candidate.keys()), ("base", candidate.keys() - base.keys())):
            if lacking:
                raise PairingError(f"task {name!r}: {side} has no sample of {_named(lacking)}", remedy)
        other = {i for i, sample in base.items() if sample.prompt_digest != candidate[i].prompt_digest}
        if other:
            raise PairingError(f"task {name!r}: base and candidate had different prompts for {_named(other)}", remedy)
        return [(sample, candidate[i]) for i, sample in base.items()]

    def metric(self, name: str) -> Measurement:
        """Measure one metric on both sides; items to which it applies on neither are left out.

        Raises:
            TaskError: the task has no such metric.
            PairingError: a sample was not scored by it, or it applies to one side of an item only.
            UndecidedError: a judge was to give it, and left more without than may be.
            UnanswerableError: what runs the model cannot tell it.
        """
        metric = self.task.metric(name)
        kept, uneven = [], set()
        for base, candidate in self.pairs:
            applies = _applies(base, metric, self.task.name), _applies(candidate, metric, self.task.name)
            if all(applies):
                kept.append((base, candidate))
            elif any(applies):
                uneven.add(base.item_id)
        _check_read(metric, self.task.name, len(self.pairs) - len(kept), len(self.pairs))
        _check_told(metric, self.task.name, kept)
        if uneven and metric.unread is None:
            raise PairingError(
                f"task {self.task.name!r}: metric {name!r} is None on one side only for {_named(uneven)}",
                "the grader must decide from the item alone whether a metric applies",
            )
        found = _measurement(self.task, self.slice, metric, [b for b, _ in kept], [c for _, c in kept])
        return replace(found, base_name=self.base_name, opponent=self.opponent, noise=self.noise.get(name))

    def marks(
        self, metric: Metric, base: Sequence[bool], candidate: Sequence[bool], *, beside: str = ""
    ) -> Measurement:
        """A measurement of what was found in the answers themselves.

        Args:
            base, candidate: whether each answer has it, in the order of `pairs`.
            beside: what else than the base the candidate is held against, for messages; empty for the base.
        """
        sides = [np.array(side, dtype=np.float64) for side in (base, candidate)]
        samples = [sample for _, sample in self.pairs]
        measured = _measurement(self.task, self.slice, metric, None, samples)
        return replace(
            measured, base=sides[0], candidate=sides[1], base_name=beside or self.base_name, opponent=self.opponent
        )

    def where(self, **tags: str) -> Comparison:
        """The pairs whose items carry all these tags.

        Raises:
            PairingError: there is none; the message lists the values each tag has.
        """
        kept = [(b, c) for b, c in self.pairs if carries(c.tags, tags)]
        if not kept:
            raise no_item_with(tags, [sample.tags for sample in self.candidate], self.task.name)
        base, candidate = [b for b, _ in kept], [c for _, c in kept]
        return replace(self, base=base, candidate=candidate, slice={**self.slice, **tags}, noise={})


def _measurement(
    task: TaskLike,
    slice_: Mapping[str, str],
    metric: Metric,
    base: Sequence[Sample] | None,
    candidate: Sequence[Sample],
) -> Measurement:
    items = tuple(item_of(task, s) for s in candidate)
    item_ids = tuple(s.item_id for s in candidate)
    clustered = any(s.cluster is not None for s in candidate)
    return Measurement(
        metric=metric,
        task=task.name,
        slice=slice_,
        item_ids=item_ids,
        candidate=_scores(candidate, metric),
        base=None if base is None else _scores(base, metric),
        # An item without a cluster is a cluster of its own; the pair cannot be mistaken for a label.
        clusters=tuple((s.cluster, s.item_id if s.cluster is None else "") for s in candidate) if clustered else None,
        tags=tuple(s.tags for s in candidate),
        targets=tuple(s.target for s in candidate),
        prompts=tuple(s.prompt for s in candidate),
        candidate_parsed=tuple(s.parsed for s in candidate),
        base_parsed=None if base is None else tuple(s.parsed for s in base),
        items=items if items != item_ids else (),
    )


def _scores(samples: Sequence[Sample], metric: Metric) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.array([s.scores.get(metric.name, np.nan) for s in samples], dtype=np.float64)


def _applies(sample: Sample, metric: Metric, task: str) -> bool:
    if metric.name in sample.scores:
        return sample.scores[metric.name] is not None
    if metric.corpus is not None:
        return True
    raise PairingError(
        f"task {task!r}: item {sample.item_id!r} has no score {metric.name!r}",
        f"the grader must score every sample by each of its metrics; this one has: {', '.join(sorted(sample.scores))}",
    )


def _check_told(metric: Metric, task: str, kept: Sequence[object]) -> None:
    """Refuse a metric that what runs a model had no means to tell, of any item."""
    if metric.is_optional and not kept:
        raise UnanswerableError(
            f"task {task!r}: a model that is served does not tell {metric.name}",
            "measure the model that it was made of in process (--candidate=DIRECTORY)",
        )


def _check_read(metric: Metric, task: str, lacking: int, of: int) -> None:
    """Refuse scores of a judge whose verdicts on too many items cannot be read; the others are told from those left."""
    if metric.unread is not None and lacking > metric.unread * of:
        raise UndecidedError(
            f"judge unfit: {lacking} of {of} items of task {task!r} have no readable verdict by {metric.name!r} "
            f"(at most {metric.unread:.1%} allowed)",
            "name a judge that keeps to the form it is asked for",
        )


def _by_id(samples: Sequence[Sample], task: str, side: str) -> dict[str, Sample]:
    rows = {s.item_id: s for s in samples}
    if len(rows) < len(samples):
        counts = Counter(s.item_id for s in samples)
        twice = {item_id for item_id, count in counts.items() if count > 1}
        raise PairingError(f"task {task!r}: {side} has two samples of {_named(twice)}", "give every item its own id")
    return rows


def _named(ids: set[str]) -> str:
    return f"{len(ids)} item{'s' if len(ids) > 1 else ''}: {some_of(sorted(ids), _NAMED_IDS)}"
