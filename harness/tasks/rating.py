"""Answers of a task rated by the session's judge: what `metrics: [{rubric: ...}]` adds to its samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from harness.config import FILE_NAME, Judging
from harness.errors import AssayError, UndecidedError
from harness.metrics.base import Metric
from harness.metrics.rubric import Rubric
from harness.records import Sample
from harness.tasks.base import TaskLike


class RatingJudge(Protocol):
    """A judge that rates answers, where it has proven itself."""

    @property
    def identity_digest(self) -> str:
        """Who it is."""

    def rate(self, task: TaskLike, samples: Sequence[Sample], rubric: Rubric) -> Sequence[float | None]:
        """A rating of each sample's answer, from 1 to 10; None where the verdict cannot be read.

        Raises:
            UndecidedError: the judge is unfit, or its budget is spent.
        """


@dataclass(frozen=True)
class Rating:
    """A rubric, and who rates by it.

    What goes wrong with the judge is told where the metric is asked for: the task's other gates do not rest on it.

    Attributes:
        make_judge: makes the judge; None where none can be had.
        failed: the first error there was; the judge is then not asked again.
    """

    rubric: Rubric
    judging: Judging
    make_judge: Callable[[], RatingJudge] | None = None
    failed: list[AssayError] = field(default_factory=list, compare=False)
    judges: list[str] = field(default_factory=list, compare=False)
    """identity of the judge, once it is known"""

    @property
    def name(self) -> str:
        """The metric's."""
        return self.rubric.name

    @property
    def metric(self) -> Metric:
        """The metric; of as many answers as the judge may leave unread it has no score."""
        return replace(self.rubric.metric, unread=self.judging.parse_failures)

    @property
    def measured(self) -> Metric:
        """The metric, of samples that were rated.

        Raises:
            AssayError: they could not be.
        """
        if self.failed:
            raise self.failed[0]
        return self.metric

    def add_to(self, task: TaskLike, samples: Sequence[Sample]) -> list[Sample]:
        """The samples with their ratings; as they were where the judge does not give any."""
        try:
            ratings = self._judge().rate(task, samples, self.rubric) if not self.failed else ()
        except AssayError as error:
            self.failed.append(error)
        if self.failed:
            return list(samples)
        return [
            replace(sample, scores={**sample.scores, self.name: rating})
            for sample, rating in zip(samples, ratings, strict=True)
        ]

    def _judge(self) -> RatingJudge:
        if self.make_judge is None or self.judging.model is None:
            raise UndecidedError(
                f"metric {self.name!r} is for a judge to give, and no judge is named",
                f"pass --judge=MODEL, or name `judge: model:` in {FILE_NAME}",
            )
        judge = self.make_judge()
        self.judges[:] = [judge.identity_digest]
        return judge
