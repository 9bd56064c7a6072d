"""Answers that are drawn: at a temperature, and each item asked several times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from harness.digests import digest_json
from harness.engines import Answer, Engine, Request
from harness.engines.requests import GenerateRequest, seed_of
from harness.errors import TaskError
from harness.metrics.base import Metric, main_metric
from harness.metrics.repeats import repeat_metrics, repeat_scores
from harness.records import Role, Sample
from harness.tasks.base import Grade, Grader, Item, Progress
from harness.tasks.task import Task

_MARK = "#"


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn.

    Attributes:
        repeats: answers to each item.
        temperature: above 0.
        top_p: of the nucleus.
    """

    repeats: int = 1
    temperature: float = 1.0
    top_p: float = 1.0

    def drawing(self, task: Task) -> Task | RepeatedTask:
        """The task with its answers drawn.

        Raises:
            TaskError: one of its metrics is called as those of repeats are.
        """
        drawn = replace(task, grader=SampledGrader(task.grader, self), sampling=self.settings)
        return drawn if self.repeats == 1 else RepeatedTask.of(drawn, self.repeats)

    @property
    def settings(self) -> Mapping[str, Any]:
        """For the run's manifest."""
        return {"temperature": self.temperature, "top_p": self.top_p}


@dataclass(frozen=True)
class SampledGrader:
    """A grader whose texts are drawn, each item by a seed of its own: of the item alone, so that base and candidate share it."""

    grader: Grader
    sampling: Sampling

    @property
    def metrics(self) -> Sequence[Metric]:
        return self.grader.metrics

    @property
    def optional(self) -> tuple[type[Request], ...]:
        return tuple(getattr(self.grader, "optional", ()))

    @property
    def digest(self) -> str:
        return digest_json(["sampled", self.grader.digest, dict(self.sampling.settings)])

    def requests(self, item: Item) -> Sequence[Request]:
        how = self.sampling
        return [
            replace(one, temperature=how.temperature, top_p=how.top_p, seed=seed_of(item.id))
            if isinstance(one, GenerateRequest)
            else one
            for one in self.grader.requests(item)
        ]

    def grade(self, item: Item, answers: Sequence[Answer]) -> Grade:
        return self.grader.grade(item, answers)


@dataclass(frozen=True)
class RepeatedTask:
    """A task of which each item is asked several times. Every answer is a sample, and those to one item a cluster.

    Its samples' ids are the items' with the number of the repeat: `row-3#2`.

    Attributes:
        once: the task, as each repeat asks it.
        repeats: two or more.
    """

    once: Task
    repeats: int

    @classmethod
    def of(cls, once: Task, repeats: int) -> RepeatedTask:
        """The task asked so often.

        Raises:
            TaskError: one of its metrics is called as those of repeats are.
        """
        made = cls(once, repeats)
        own = {metric.name for metric in (*once.grader.metrics, *(one.metric for one in once.ratings))}
        twice = sorted(own & made._told.keys())
        if twice:
            raise TaskError(
                f"task {once.name!r}: its repeats have a metric {twice[0]!r}, and metrics names another one so",
                "name that otherwise, as in {regex: ..., name: polite}",
            )
        return made

    @property
    def name(self) -> str:
        return self.once.name

    @property
    def items(self) -> Sequence[Item]:
        """Each once."""
        return self.once.items

    @property
    def grader(self) -> Grader:
        """Of each answer."""
        return self.once.grader

    @cached_property
    def drawn(self) -> Task:
        """The task whose items are the repeats of this one's."""
        repeats = [
            replace(item, id=f"{item.id}{_MARK}{number}", cluster=item.id if item.cluster is None else item.cluster)
            for item in self.once.items
            for number in range(1, self.repeats + 1)
        ]
        return replace(self.once, items=repeats)

    def item_of(self, sample: Sample) -> str:
        """Id of the item that a sample answers."""
        return sample.item_id.rpartition(_MARK)[0]

    @property
    def data_digest(self) -> str:
        return self.once.data_digest

    @property
    def digest(self) -> str:
        return digest_json(["repeated", self.once.digest, self.repeats])

    @property
    def settings(self) -> Mapping[str, Any]:
        return {**self.once.settings, "repeats": self.repeats}

    @property
    def main_metric(self) -> str:
        return self.once.main_metric

    def metric(self, name: str) -> Metric:
        return self._told[name] if name in self._told else self.once.metric(name)

    @property
    def foreseen(self) -> Sequence[Request]:
        return self.drawn.foreseen

    @property
    def answers_wanted(self) -> int:
        return self.drawn.answers_wanted

    def evaluate(self, engine: Engine, role: Role, *, progress: Progress | None = None) -> list[Sample]:
        """Ask the model every item as often as it is repeated.

        Returns:
            One sample a repeat, the repeats of an item one after the other, each with what they say together.
        """
        samples = self.drawn.evaluate(engine, role, progress=progress)
        groups = (samples[start : start + self.repeats] for start in range(0, len(samples), self.repeats))
        return [replace(one, scores={**one.scores, **self._together(group)}) for group in groups for one in group]

    def _together(self, group: Sequence[Sample]) -> Mapping[str, float | None]:
        read = self._read
        scores = [] if read is None else [one.scores.get(read.name) for one in group]
        return repeat_scores(read, scores, [(one.parsed, one.answer) for one in group])

    @cached_property
    def _read(self) -> Metric | None:
        """The metric whose best and worst are told: the one the task is known by, of those that are means."""
        means = {metric.name: metric for metric in self.once.grader.metrics if metric.corpus is None}
        return means[main_metric(list(means.values()))] if means else None

    @cached_property
    def _told(self) -> Mapping[str, Metric]:
        return {metric.name: metric for metric in repeat_metrics(self._read, self.repeats)}
