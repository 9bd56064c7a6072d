"""The metrics that a task adds to those of its kind, as `metrics:` has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from harness.config.base import objection
from harness.errors import TaskError
from harness.metrics.answers import ANSWER_METRICS, AnswerMetric
from harness.metrics.assertions import Assertion, AssertionKind
from harness.metrics.base import GENERAL_METRICS
from harness.metrics.rubric import Rubric, RubricKind
from harness.tasks.base import Grader

_NAME = "name"

FurtherMetric = AnswerMetric | Assertion | Rubric

MetricEntry = str | Mapping[str, Any]
"""A metric by its name; or an assertion with its argument, and the name that it has in gates."""


def _entries(value: object) -> tuple[MetricEntry, ...]:
    entries = [value] if isinstance(value, str | dict) else value
    if not isinstance(entries, list | tuple) or not all(map(_is_entry, entries)):
        raise objection("", 'give a list of names and assertions, as in [rougeL, {contains: "Kind regards"}]')
    return tuple(entries)


def _is_entry(value: object) -> bool:
    if not isinstance(value, dict):
        return isinstance(value, str) and bool(value)
    return len(value.keys() - {_NAME}) == 1 and (_NAME not in value or _is_entry(value[_NAME]))


MetricEntries = Annotated[
    tuple[MetricEntry, ...],
    BeforeValidator(_entries, json_schema_input_type=MetricEntry | tuple[MetricEntry, ...]),
]


def read_metrics(
    task: str, entries: Sequence[MetricEntry], grader: Grader, root: Path, *, has_text: bool
) -> tuple[FurtherMetric, ...]:
    """The metrics of these entries, each once.

    Args:
        grader: of the task, whose metrics they stand beside.
        root: directory that paths in arguments start at.
        has_text: whether the right answers are texts.

    Raises:
        TaskError: there is no such metric, its argument is wrong, or two have one name.
    """
    own = {metric.name for metric in (*GENERAL_METRICS, *grader.metrics)}
    made: dict[str, FurtherMetric] = {}
    for entry in entries:
        name = entry if isinstance(entry, str) else entry.get(_NAME, _key(entry))
        if name in own:
            raise TaskError(f"task {task!r}: metrics names {name!r}, which its kind has anyway", "leave it out")
        one = _metric(task, entry, root)
        if one.name in made and made[one.name].identity != one.identity:
            problem = f"task {task!r}: two of its metrics are called {one.name!r}"
            raise TaskError(problem, f"name them apart, as in {{{one.name}: ..., name: polite}}")
        if isinstance(one, AnswerMetric) and not has_text:
            problem = (
                f"task {task!r}: metrics names {one.name!r}, and its right answers are no texts to hold one against"
            )
            raise TaskError(problem, f"leave it out; what needs no right answer is: {', '.join(_need_no_target())}")
        made[one.name] = one
    return tuple(made.values())


def _metric(task: str, entry: MetricEntry, root: Path) -> FurtherMetric:
    name = entry if isinstance(entry, str) else _key(entry)
    found = ANSWER_METRICS.get(name, problem=f"task {task!r}: metrics names {name!r}, which no one registered")
    if isinstance(found, AssertionKind | RubricKind):
        if isinstance(entry, str):
            problem = f"task {task!r}: metrics names {name!r} without what it {_asks(found)}"
            raise TaskError(problem, f"write {{{name}: ...}}: {found.meaning}")
        return found.make(entry[name], root, task=task, name=entry.get(_NAME))
    if not isinstance(entry, str):
        raise TaskError(f"task {task!r}: metric {name!r} takes no argument", f"write {name} alone")
    return found


def _key(entry: Mapping[str, Any]) -> str:
    return next(key for key in entry if key != _NAME)


def _asks(kind: AssertionKind | RubricKind) -> str:
    return "asserts" if isinstance(kind, AssertionKind) else "rates by"


def _need_no_target() -> list[str]:
    return [one.name for one in ANSWER_METRICS if isinstance(one, AssertionKind | RubricKind)]
