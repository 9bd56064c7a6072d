"""A task: items, the prompt each becomes, and how an answer is graded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from harness.engines.requests import Answer, Prompt, Request
from harness.errors import TaskError
from harness.metrics.base import Metric
from harness.metrics.general import GENERAL_METRICS


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


@dataclass(frozen=True)
class Task:
    """Items plus a grader.

    Attributes:
        data_digest: digest of the data the items were read from.
    """

    name: str
    items: Sequence[Item]
    grader: Grader
    data_digest: str

    def metric(self, name: str) -> Metric:
        """The metric of that name.

        Raises:
            TaskError: the task has no such metric; the message lists those it has.
        """
        known = {m.name: m for m in (*GENERAL_METRICS, *self.grader.metrics)}
        if name not in known:
            raise TaskError(f"task {self.name!r} has no metric {name!r}", f"choose one of: {', '.join(sorted(known))}")
        return known[name]
