"""Tasks whose items are rows of a data file, out of their keys under `tasks:` of a user's configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Generic, Protocol, Self, TypeVar, cast, runtime_checkable

from pydantic import Field, model_validator

from harness.config.base import Tokens, objection
from harness.engines.requests import Prompt
from harness.errors import TaskError
from harness.metrics.base import Metric
from harness.metrics.rubric import Rubric
from harness.tasks.answers import WithMetrics
from harness.tasks.base import Grader, Item, Question
from harness.tasks.conversations import Conversation
from harness.tasks.data_files import data_digest
from harness.tasks.formats import Example
from harness.tasks.further_metrics import MetricEntries, read_metrics
from harness.tasks.items import ItemKeys, ItemReader
from harness.tasks.kinds import Spec, TaskContext, TaskKind, Texts, kind_of, nothing_to_teach
from harness.tasks.rating import Rating
from harness.tasks.records import Record, read_records
from harness.tasks.repeated import RepeatedTask, Sampling
from harness.tasks.task import Task

K = TypeVar("K", bound=ItemKeys)

Repeats = Annotated[int, Field(ge=1, le=100)]
Temperature = Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)]
TopP = Annotated[float, Field(gt=0, le=1)]


class TargetGrader(Grader, Protocol):
    """A grader that knows what a row's target must look like."""

    def target(self, record: Record, field: str, value: Any) -> Any:
        """The target as it wants it, or DataError."""


@runtime_checkable
class Teaches(Protocol):
    """A grader whose right answers can be learnt."""

    def answer(self, target: Any) -> str:
        """What a model is to write, or to find likeliest, where that is the target."""


G = TypeVar("G", bound=TargetGrader)


class GeneratingKeys(ItemKeys):
    """How an answer is generated."""

    max_new_tokens: Tokens | None = None
    """cap on the answer's tokens"""
    stop: Texts = ()
    """texts that end the answer"""
    metrics: MetricEntries = ()
    """further metrics of the answers beside those of the kind: by name where there is a right text to hold them against
    ("rougeL"), or what is asserted of each, as in {contains: "Kind regards"}, or what the judge rates them by, as in
    {rubric: "Polite, and names the next step"}; {regex: ..., name: polite} names it for gates"""
    repeats: Repeats = 1
    """answers to each item, drawn at `temperature`; pass@k, pass^k and agreement are told of them"""
    temperature: Temperature = 0.0
    """at which answers are drawn, of base and candidate alike; 0 is greedy"""
    top_p: TopP = 1.0
    """draw from the likeliest tokens that together have this probability"""

    @model_validator(mode="after")
    def _drawn_or_greedy(self) -> Self:
        if self.temperature == 0 and self.repeats > 1:
            remedy = "give a temperature above 0, as in temperature: 0.7; what a server varies by itself, `assay noise` measures"
            raise objection(
                f"asks for {self.repeats} repeats at temperature 0, which are one and the same answer", remedy
            )
        if self.temperature == 0 and self.top_p != 1:
            raise objection(
                f"has top_p {self.top_p:g} at temperature 0, where nothing is drawn", "add temperature: 0.7"
            )
        return self

    def drawing(self, task: Task) -> Task | RepeatedTask:
        """The task, its answers drawn as these keys say."""
        return Sampling(self.repeats, self.temperature, self.top_p).drawing(task) if self.temperature else task


class AnswerKeys(GeneratingKeys):
    """Answers that are held against one right text or several."""


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

    def prepare(task: str, given: K, context: TaskContext) -> tuple[Source[K], G]:
        records = read_records(context.root / given.data)
        source = Source(task, given, context.root, records, ItemReader.from_keys(task, given, records))
        chosen = {key: getattr(given, key) for key in settings & given.model_fields_set}
        return source, complete(grader(**chosen), source)

    def grading(task: str, source: Source[K], made: G) -> tuple[Grader, list[Rubric]]:
        """What grades answers, and what a judge is asked about them."""
        given = source.keys
        if not isinstance(given, GeneratingKeys) or not given.metrics:
            return made, []
        has_text = isinstance(given, AnswerKeys) and source.reader.has_target
        further = read_metrics(task, given.metrics, made, source.root, has_text=has_text)
        of_one = tuple(one for one in further if not isinstance(one, Rubric))
        rubrics = [one for one in further if isinstance(one, Rubric)]
        return (WithMetrics(made, of_one) if of_one else made), rubrics

    def build(task: str, given: K, context: TaskContext) -> Task | RepeatedTask:
        source, made = prepare(task, given, context)
        items = context.sample(source.reader.read(source.records, made.target), given)
        graded, rubrics = grading(task, source, fit(made, items))
        ratings = [Rating(one, context.judging, context.judge) for one in rubrics]
        asked = Task(task, tuple(items), graded, data_digest(context.root / given.data), ratings)
        return given.drawing(asked) if isinstance(given, GeneratingKeys) else asked

    named = tuple(metric.name for metric in (grader().metrics if metrics is None else metrics))

    def teach(task: str, given: K, context: TaskContext, first: Record) -> Callable[[Record], Example]:
        source, made = prepare(task, given, context)
        if not isinstance(made, Teaches) or not source.reader.has_target:
            raise nothing_to_teach(task, name)
        return partial(_taught, made, _reader_of_others(source, first))

    def pose(task: str, given: K, context: TaskContext, first: Record) -> Callable[[Record], Example]:
        source, made = prepare(task, given, context)
        items = source.reader.read(source.records, made.target)
        graded, _ = grading(task, source, fit(made, items))
        return partial(_posed, made, graded, _reader_of_others(source, first))

    return TaskKind(name, keys, build, named, generates, with_fewshot, teach, pose)


def _reader_of_others(source: Source[Any], first: Record) -> ItemReader:
    """How rows of another file are read: what names and groups items need not be in them."""
    keys = source.keys.model_copy(update={"id_field": None, "cluster_field": None, "tag_fields": ()})
    return ItemReader.from_keys(source.task, keys, [first])


def _posed(made: Any, graded: Any, reader: ItemReader, record: Record) -> Example:
    """A row asked as the task asks it, to be graded as by the task. It has no answer of its own."""
    item = reader.item(record, made.target)
    prompt: Prompt = graded.requests(item)[0].prompt
    asked = replace(Conversation.of_prompt(prompt, "-"), learnt=())
    asked = replace(asked, turns=asked.turns[:-1])
    return Example(asked, record.row, record.fields, first_read=False, question=Question(item, graded))


def _taught(grader: Any, reader: ItemReader, record: Record) -> Example:
    """A row asked as the task asks it, with the right answer; as the row words it, where it brings a conversation."""
    item = reader.item(record, grader.target)
    prompt: Prompt = grader.requests(item)[0].prompt
    own = None if reader.template is not None or prompt.text is not None else reader.completion(record)
    return Example(Conversation.of_prompt(prompt, own or grader.answer(item.target)), record.row, record.fields)


def build_task(
    name: str, spec: Mapping[str, Any], *, root: Path, limit: int | None = None, seed: int = 0
) -> Task | RepeatedTask:
    """The task of a specification whose items are rows of a file; paths in it start at `root`.

    Raises:
        TaskError: a key is unknown or missing, or has a wrong value; or the kind is one of no such task.
        DataError: the data cannot be read, or a row does not fit.
    """
    task = kind_of(name, spec).make(name, spec, TaskContext(root, limit, seed))
    if not isinstance(task, Task | RepeatedTask):
        raise TaskError(f"task {name!r} of kind {spec['kind']!r} has no items of a file", "build it by find_task")
    return task
