"""What a task is made of: items, the prompt each becomes, how an answer is graded; and what every task can do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from harness.engines import Engine
from harness.engines.requests import Answer, Prompt, Request
from harness.metrics.base import Metric
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
    """Turns items into requests and answers into grades. Stateless; `digest` covers its settings."""

    @property
    def metrics(self) -> Sequence[Metric]: ...

    @property
    def digest(self) -> str: ...

    def requests(self, item: Item) -> Sequence[Request]:
        """What is asked about an item: one request or several, the same for every model."""
        ...

    def grade(self, item: Item, answers: Sequence[Answer]) -> Grade:
        """Grade the answers to `requests(item)`, in their order."""
        ...


class TaskLike(Protocol):
    """What a session measures: our own `Task`, and a task of lm-eval."""

    @property
    def name(self) -> str: ...

    @property
    def data_digest(self) -> str:
        """Digest of the data the items were read from."""
        ...

    @property
    def digest(self) -> str:
        """Digest of how they are asked and graded."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """How they are asked, for the run's manifest: how many items, few-shot count, chat template and the like."""
        ...

    @property
    def main_metric(self) -> str:
        """The metric the task is known by."""
        ...

    def metric(self, name: str) -> Metric:
        """The metric of that name. Raises TaskError where there is none."""
        ...

    def evaluate(self, engine: Engine, role: Role, *, progress: Progress | None = None) -> list[Sample]:
        """Ask the model every item and grade the answers: one sample an item, the same items for every model."""
        ...


@runtime_checkable
class Divisible(TaskLike, Protocol):
    """A task that can be asked in parts."""

    def random_order(self) -> Sequence[str]:
        """What names each item, in a random order of which every beginning stands for the whole; always the same."""
        ...

    def only(self, items: Collection[str]) -> TaskLike:
        """The task of these items alone, named as in `random_order`."""
        ...

    def name_of(self, sample: Sample) -> str:
        """What names the item of a sample in `random_order`."""
        ...
