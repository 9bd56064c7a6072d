"""Tasks whose items are rows of a data file, out of their keys under `tasks:` of a user's configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, cast

from harness.config.base import Count
from harness.errors import TaskError
from harness.metrics.answers import ANSWER_METRICS, AnswerMetric
from harness.metrics.base import Metric
from harness.tasks.answers import WithMetrics
from harness.tasks.base import Grader, Item
from harness.tasks.data_files import data_digest
from harness.tasks.items import ItemKeys, ItemReader
from harness.tasks.kinds import Spec, TaskContext, TaskKind, Texts, kind_of
from harness.tasks.records import Record, read_records
from harness.tasks.task import Task

K = TypeVar("K", bound=ItemKeys)


class TargetGrader(Grader, Protocol):
    """A grader that knows what a row's target must look like."""

    def target(self, record: Record, field: str, value: Any) -> Any:
        """The target as it wants it, or DataError."""


G = TypeVar("G", bound=TargetGrader)


class GeneratingKeys(ItemKeys):
    """How an answer is generated."""

    max_new_tokens: Count | None = None
    """cap on the answer's tokens"""
    stop: Texts = ()
    """texts that end the answer"""


class AnswerKeys(GeneratingKeys):
    """Answers that are held against one right text or several."""

    metrics: Texts = ()
    """further metrics of the answers, by name, beside those of the kind"""


@dataclass(frozen=True)
class Source(Generic[K]):
    """What a grader is completed from: the task's keys, and the rows of its file with how they are read."""

    task: str
    keys: K
    root: Path
    records: Sequence[Record]
    reader: ItemReader


def item_kind(
    name: str,
    keys: type[K],
    grader: Callable[..., G],
    *,
    metrics: Sequence[Metric] | None = None,
    complete: Callable[[G, Source[K]], G] = lambda grader, source: grader,
    fit: Callable[[G, Sequence[Item]], G] = lambda grader, items: grader,
    generates: bool = True,
    with_fewshot: Callable[[str, Spec, int], Spec | None] = lambda name, spec, shots: None,
) -> TaskKind[K]:
    """The kind of task whose items are rows of a data file.

    Args:
        grader: a dataclass; of its fields those are set that a task has keys for.
        metrics: of the grader; None: those of one whose fields are not set.
        complete: sets what takes more than a key, before items are read.
        fit: sets what depends on the items that are asked.
        generates, with_fewshot: as of `TaskKind`.
    """
    settings = {field.name for field in fields(cast(Any, grader))}

    def build(task: str, given: K, context: TaskContext) -> Task:
        path = context.root / given.data
        records = read_records(path)
        reader = ItemReader.from_keys(task, given, records)
        chosen = {key: getattr(given, key) for key in settings & given.model_fields_set}
        made = complete(grader(**chosen), Source(task, given, context.root, records, reader))
        items = context.sample(reader.read(records, made.target), given)
        graded: Grader = fit(made, items)
        if isinstance(given, AnswerKeys) and given.metrics:
            graded = WithMetrics(graded, tuple(_metric(task, graded, one) for one in dict.fromkeys(given.metrics)))
        return Task(task, tuple(items), graded, data_digest=data_digest(path))

    named = tuple(metric.name for metric in (grader().metrics if metrics is None else metrics))
    return TaskKind(name, keys, build, named, generates, with_fewshot)


def _metric(task: str, grader: Grader, name: str) -> AnswerMetric:
    if name in {metric.name for metric in grader.metrics}:
        raise TaskError(f"task {task!r}: metrics names {name!r}, which its kind has anyway", "leave it out")
    return ANSWER_METRICS.get(name, problem=f"task {task!r}: metrics names {name!r}, which no one registered")


def build_task(name: str, spec: Mapping[str, Any], *, root: Path, limit: int | None = None, seed: int = 0) -> Task:
    """The task of a specification whose items are rows of a file; paths in it start at `root`.

    Raises:
        TaskError: a key is unknown or missing, or has a wrong value; or the kind is one of no such task.
        DataError: the data cannot be read, or a row does not fit.
    """
    task = kind_of(name, spec).make(name, spec, TaskContext(root, limit, seed))
    if not isinstance(task, Task):
        raise TaskError(f"task {name!r} of kind {spec['kind']!r} has no items of a file", "build it by find_task")
    return task
