"""What a kind of task is, and the kinds and named tasks there are: registered by what ships and by plugins alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BeforeValidator

from harness.config import Judging, Safety
from harness.config.base import Count, Section, Text, objection
from harness.config.checking import check, location
from harness.errors import TaskError, show
from harness.plugins import Registry
from harness.tasks.base import Item, TaskLike
from harness.tasks.formats import Example
from harness.tasks.records import Record
from harness.tasks.sampling import sample_items

Spec = Mapping[str, Any]


def _one_or_several(value: object) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not all(isinstance(one, str) and one for one in values):
        raise objection("", 'give a list of texts (quote words such as "yes", "no" and "1")')
    return tuple(values)


Texts = Annotated[tuple[str, ...], BeforeValidator(_one_or_several, json_schema_input_type=str | tuple[str, ...])]
"""A list of texts, or one."""


class TaskKeys(Section):
    """What every task may say."""

    null_is_absent = True

    kind: Text
    """what is measured and how it is graded"""
    limit: Count | None = None
    """at most so many items; of this and the profile's the smaller holds"""
    gates: Any = None
    """gates on the task's metrics: read by whoever judges it, not by who builds it"""


K = TypeVar("K", bound=TaskKeys)


@dataclass(frozen=True)
class TaskContext:
    """What a task is built with beside its own keys.

    Attributes:
        root: directory that paths in the keys start at.
        limit: at most so many items, by the profile.
        seed: of the sample that a limit takes.
        subjects: at most so many parts of a benchmark, by the profile.
        data_dir: local copies of benchmarks.
        chat_template: put benchmarks as conversations.
        judge: makes the judge, for tasks whose answers one classifies; None where none can be had.
    """

    root: Path
    limit: int | None = None
    seed: int = 0
    subjects: int | None = None
    data_dir: Path | None = None
    chat_template: bool = False
    safety: Safety = field(default_factory=Safety)
    judging: Judging = field(default_factory=Judging)
    judge: Callable[[], Any] | None = None

    def smaller_limit(self, keys: TaskKeys) -> int | None:
        """The task's own limit or the profile's."""
        return min((limit for limit in (self.limit, keys.limit) if limit is not None), default=None)

    def sample(self, items: Sequence[Item], keys: TaskKeys) -> list[Item]:
        """The items, as many of them as the limits allow."""
        limit = self.smaller_limit(keys)
        return sample_items(items, limit, self.seed) if limit is not None and limit < len(items) else list(items)


@dataclass(frozen=True)
class TaskKind(Generic[K]):
    """A kind of task.

    Attributes:
        name: as `kind:` gives it.
        keys: the model of its keys.
        build: makes the task of a name, its keys and what else it is built with.
        metrics: names of its metrics; empty where they depend on the task.
        generates: its answers are texts that a model has to end by itself.
        with_fewshot: a task's specification with another number of examples in the prompt (name, specification, number);
            None where the task takes none.
        teach: as `row_reader`, of keys that were checked; None where the kind has no right answers to be learnt.
        pose: as `question_reader`, of keys that were checked; None where its answers are not rows of a file each.
    """

    name: str
    keys: type[K]
    build: Callable[[str, K, TaskContext], TaskLike]
    metrics: tuple[str, ...] = ()
    generates: bool = True
    with_fewshot: Callable[[str, Spec, int], Spec | None] = lambda name, spec, shots: None
    teach: Callable[[str, K, TaskContext, Record], Callable[[Record], Example]] | None = None
    pose: Callable[[str, K, TaskContext, Record], Callable[[Record], Example]] | None = None

    def make(self, name: str, spec: Spec, context: TaskContext) -> TaskLike:
        """The task of a specification.

        Raises:
            TaskError: a key is unknown or missing, or has a wrong value.
            DataError: the data cannot be read, or a row does not fit.
        """
        return self.build(name, self._keys(name, spec), context)

    def row_reader(self, name: str, spec: Spec, context: TaskContext, first: Record) -> Callable[[Record], Example]:
        """How rows of another file than the task's own are made training examples: asked and answered as by the task.

        Args:
            first: the first of them.

        Raises:
            TaskError: as `make`; or the kind has no right answers to be learnt.
            DataError: the first row, or what the task is built of, cannot be read.
        """
        if self.teach is None:
            raise nothing_to_teach(name, self.name)
        return self.teach(name, self._keys(name, spec), context, first)

    def question_reader(
        self, name: str, spec: Spec, context: TaskContext, first: Record
    ) -> Callable[[Record], Example]:
        """How rows of another file than the task's own are made questions, asked and graded as by the task: answers that a
        model gives while it is trained are rewarded by it.

        Raises:
            TaskError: as `make`; or the task grades no answers of its own.
            DataError: as `row_reader`.
        """
        if self.pose is None:
            raise TaskError(
                f"task {name!r} of kind {self.name} grades no single answers by which a model could be rewarded",
                "leave `task:` out of the recipe's data, and reward by a function (`reward: module:function`)",
            )
        return self.pose(name, self._keys(name, spec), context, first)

    def _keys(self, name: str, spec: Spec) -> K:
        return check(self.keys, spec, location(f"task {name!r}"), TaskError)


@dataclass(frozen=True)
class NamedTask:
    """A task that is there by name, without a line in assay.yaml.

    Attributes:
        spec: as under `tasks:`.
        root: directory that paths in it start at; None is that of assay.yaml.
    """

    name: str
    spec: Spec
    root: Path | None = None


def nothing_to_teach(name: str, kind: str) -> TaskError:
    """What is wrong where a recipe is to train on the answers of a task that has none."""
    return TaskError(
        f"task {name!r} of kind {kind} has no right answers that a recipe could train on",
        "leave `task:` out of the recipe's data, and give rows that bring prompt and answer",
    )


TASK_KINDS: Registry[TaskKind[Any]] = Registry("register_task_kinds", "task kind", TaskError)
NAMED_TASKS: Registry[NamedTask] = Registry("register_tasks", "task", TaskError)


def kind_of(name: str, spec: Spec) -> TaskKind[Any]:
    """The kind that a specification names.

    Raises:
        TaskError: it names none, or one that no one registered.
    """
    kind = spec.get("kind")
    if kind is None:
        raise TaskError(f"task {name!r}: kind is missing", f"add `kind:`, one of: {', '.join(TASK_KINDS.names())}")
    if not isinstance(kind, str):
        raise TaskError(f"task {name!r}: kind is {show(kind)}", "give a text")
    return TASK_KINDS.get(kind, problem=f"task {name!r}: kind is {kind!r}")


def generates(spec: Spec) -> bool:
    """Whether a task's answers are texts that have to end; a kind that is not known is not excused."""
    kind = str(spec.get("kind"))
    return kind not in TASK_KINDS or TASK_KINDS.get(kind).generates
