"""What a task is made of: items, the prompt each becomes, how an answer is graded; and what every task can do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from harness.engines import Engine
from harness.engines.requests import Answer, GenerateRequest, Generation, Prompt, Request
from harness.errors import EngineError, TaskError, nearest
from harness.metrics.base import Metric, general_scores
from harness.records import Role, Sample

Progress = Callable[[int, int], None]
"""Called with (answers so far, answers wanted)."""


@dataclass(frozen=True)
class Item:
    """One question.

    Attributes:
        id: stable across runs and machines.
        target: the gold answer, any JSON value; the grader knows its shape.
        cluster: items that share a passage, template or subject are not independent; they share this.
        tags: column name -> value, for slices ("values": "unseen").
    """

    id: str
    prompt: Prompt
    target: Any
    cluster: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Grade:
    """One graded item: per-sample scores by metric name, and what the answer was parsed into.

    A score is None where the metric does not apply to this item (argument F1 where no call is
    expected); such samples are left out of that metric, in base and candidate alike.
    """

    scores: Mapping[str, float | None]
    parsed: Any = None


class Grader(Protocol):
    """Turns items into requests and answers into grades. Stateless.

    Where a grader has `optional`, a tuple of types of requests, it grades items without the answers to those, which some
    engines have no means to give.
    """

    @property
    def metrics(self) -> Sequence[Metric]:
        """What `grade` scores, the metrics a task is known by first."""

    @property
    def digest(self) -> str:
        """Digest of its settings, and of a number that rises when grades change."""

    def requests(self, item: Item) -> Sequence[Request]:
        """What is asked about an item: one request or several, the same for every model."""

    def grade(self, item: Item, answers: Sequence[Answer]) -> Grade:
        """Grade the answers to `requests(item)`, in their order."""


@dataclass(frozen=True)
class Question:
    """An item, with the grader that asks it and grades what is answered."""

    item: Item
    grader: Grader


class TaskLike(Protocol):
    """What a session measures: our own `Task`, and a task of lm-eval."""

    @property
    def name(self) -> str: ...

    @property
    def data_digest(self) -> str:
        """Digest of the data the items were read from."""

    @property
    def digest(self) -> str:
        """Digest of how they are asked and graded."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """How they are asked, for the run's manifest: how many items, few-shot count, chat template and the like."""

    @property
    def main_metric(self) -> str:
        """The metric the task is known by."""

    def metric(self, name: str) -> Metric:
        """The metric of that name.

        Raises:
            TaskError: there is none.
            AssayError: the task was measured, and whoever gives that metric could not.
        """

    def evaluate(self, engine: Engine, role: Role, *, progress: Progress | None = None) -> list[Sample]:
        """Ask the model every item and grade the answers: one sample an item, the same items for every model.

        Raises:
            EngineError: a request got no answer.
            TaskError: the task asks for what the engine does not do.
        """


@runtime_checkable
class Divisible(TaskLike, Protocol):
    """A task that can be asked in parts."""

    def random_order(self) -> Sequence[str]:
        """What names each item, in a random order of which every beginning stands for the whole; always the same."""

    def only(self, items: Collection[str]) -> TaskLike:
        """The task of these items alone, named as in `random_order`."""

    def name_of(self, sample: Sample) -> str:
        """What names the item of a sample in `random_order`."""


def item_of(task: TaskLike, sample: Sample) -> str:
    """Id of the item that a sample answers; a task that asks each several times, and so has several samples of it, has a
    method of that name."""
    named: Callable[[Sample], str] | None = getattr(task, "item_of", None)
    return sample.item_id if named is None else named(sample)


@runtime_checkable
class Foreseeable(TaskLike, Protocol):
    """A task that knows what it will ask before it asks it."""

    @property
    def foreseen(self) -> Sequence[Request]:
        """All requests, in their order; of turns that follow on answers the first alone."""

    @property
    def answers_wanted(self) -> int:
        """How many answers it takes in all."""


def find_metric(task: str, name: str, metrics: Iterable[Metric]) -> Metric:
    """The metric of that name.

    Raises:
        TaskError: the task has no such metric; the message lists those it has.
    """
    known = {metric.name: metric for metric in metrics}
    if name not in known:
        raise TaskError(f"task {task!r} has no metric {name!r}", nearest(name, sorted(known)))
    return known[name]


def answers_of(engine: Engine, task: str, requests: Sequence[Request], progress: Progress | None) -> list[Answer]:
    """An engine's answers to requests, in their order.

    Raises:
        EngineError: a request got no answer.
    """
    answers: dict[int, Answer] = {}
    if progress is not None:
        progress(0, len(requests))
    for index, answer in engine.answer(requests):
        answers[index] = answer
        if progress is not None:
            progress(len(answers), len(requests))
    if len(answers) != len(requests):
        raise EngineError(f"{task}: {len(requests) - len(answers)} requests got no answer", "report this bug")
    return [answers[index] for index in range(len(requests))]


def texts_of(
    engine: Engine, task: str, requests: Sequence[GenerateRequest], progress: Progress | None
) -> list[Generation]:
    """The same where texts are asked for.

    Raises:
        EngineError: a request got no answer, or one that is no text.
    """
    answers = answers_of(engine, task, requests, progress)
    texts = [answer for answer in answers if isinstance(answer, Generation)]
    if len(texts) < len(answers):
        raise EngineError(f"{task}: {len(answers) - len(texts)} answers are no texts", "report this bug")
    return texts


def make_sample(
    task: str,
    role: Role,
    item: Item,
    grade: Grade,
    answers: Sequence[Answer],
    *,
    prompt: str,
    prompt_digest: str,
    shown: Generation | None,
    counted: Sequence[Answer] | None = None,
) -> Sample:
    """A graded item as it is stored.

    Args:
        answers: all that were given about the item.
        shown: the one that people read, with its general scores; None where none is a text.
        counted: those whose tokens count; None: the one shown, or else all.
    """
    counted = counted or ([shown] if shown is not None else answers)
    return Sample(
        task=task,
        item_id=item.id,
        cluster=item.cluster,
        role=role,
        prompt_digest=prompt_digest,
        prompt=prompt,
        target=item.target,
        answer=shown.text if shown is not None else "",
        parsed=grade.parsed,
        scores={**(general_scores(shown) if shown is not None else {}), **grade.scores},
        tags=item.tags,
        stop_reason=shown.stop_reason if shown is not None else None,
        prompt_tokens=sum(answer.prompt_tokens for answer in counted),
        completion_tokens=sum(answer.completion_tokens for answer in counted),
        latency_s=max(answer.latency_s for answer in answers),  # not the sum: they may have shared a batch
        cached=all(answer.cached for answer in answers),
    )
