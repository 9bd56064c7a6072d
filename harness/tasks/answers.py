"""What the graders share: how they ask and what they accept as an answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from harness.digests import digest_json
from harness.engines.requests import Answer, Divergence, GenerateRequest, Generation, Request, Score
from harness.errors import TaskError, show
from harness.metrics.answers import AnswerMetric
from harness.metrics.assertions import Assertion
from harness.metrics.base import Metric
from harness.tasks.base import Grade, Grader, Item
from harness.tasks.records import Record

A = TypeVar("A", Generation, Score, Divergence)


@dataclass(frozen=True)
class Generates:
    """How a grader asks for text: greedily, since that is the answer production most likely gives.

    Attributes:
        max_new_tokens: cap on the answer's tokens.
        stop: texts that end the answer.
    """

    max_new_tokens: int
    stop: tuple[str, ...] = ()

    def requests(self, item: Item) -> Sequence[Request]:
        """The one request an item becomes."""
        return (GenerateRequest(item.prompt, max_new_tokens=self.max_new_tokens, stop=self.stop),)


@dataclass(frozen=True)
class WithMetrics:
    """A grader whose generated answers are scored by further metrics."""

    grader: Grader
    further: tuple[AnswerMetric | Assertion, ...]

    @property
    def metrics(self) -> Sequence[Metric]:
        return (*self.grader.metrics, *(one.metric for one in self.further))

    @property
    def digest(self) -> str:
        """Digest of the grader, and of which metrics there are."""
        return digest_json(["metrics", self.grader.digest, [one.identity for one in self.further]])

    def requests(self, item: Item) -> Sequence[Request]:
        return self.grader.requests(item)

    def grade(self, item: Item, answers: Sequence[Answer]) -> Grade:
        grade = self.grader.grade(item, answers)
        answer = next(one for one in answers if isinstance(one, Generation))  # a solution is scored beside it
        scores = {one.name: one.of(answer, item.target) for one in self.further}
        return Grade({**grade.scores, **scores}, grade.parsed)


def generated_text(item: Item, answers: Sequence[Answer]) -> str:
    """The text of the one generated answer.

    Raises:
        TaskError: there is another number of answers, or it is not a text.
    """
    if len(answers) != 1:
        raise TaskError(f"item {item.id!r} got {len(answers)} answers to one question")
    return expect(Generation, item, answers[0]).text


def expect(kind: type[A], item: Item, answer: Answer) -> A:
    """The answer, if it is of the kind that was asked for.

    Raises:
        TaskError: it is of another.
    """
    if not isinstance(answer, kind):
        raise TaskError(f"item {item.id!r} was answered with a {type(answer).__name__}, not a {kind.__name__}")
    return answer


def read_references(record: Record, field: str, value: Any) -> str | list[str]:
    """One gold text, or a list of them; numbers are taken as JSON writes them.

    Raises:
        DataError: the value is something else, or blank.
    """
    if not isinstance(value, list):
        return _reference(record, field, value)
    if not value:
        raise record.error(f"field {field!r} is an empty list", "give at least one gold answer")
    return [_reference(record, f"{field}[{i}]", one) for i, one in enumerate(value)]


def _reference(record: Record, field: str, value: Any) -> str:
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if not isinstance(value, str):
        raise record.error(f"field {field!r} is {show(value)}, not a gold answer", "give a text or a list of texts")
    if not value.strip():
        raise record.error(f"field {field!r} is empty", "fill it in or remove the row")
    return value
