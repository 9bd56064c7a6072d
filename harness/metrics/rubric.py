"""What a judge rates answers by: `metrics: [{rubric: "Polite, and names the next step"}]` of a task that generates text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import TaskError, show
from harness.metrics.base import Metric
from harness.paths import read_text_file, user_path

_REVISION = 1


@dataclass(frozen=True)
class Rubric:
    """What the session's judge rates answers by, from 1 to 10.

    Attributes:
        metric: under its own name, or the one that the task gives it.
    """

    metric: Metric
    text: str

    @property
    def name(self) -> str:
        """The metric's."""
        return self.metric.name

    @property
    def identity(self) -> tuple[Any, ...]:
        """What of it decides a score, for the digest of the task."""
        return (self.name, _REVISION, "rubric", self.text)


@dataclass(frozen=True)
class RubricKind:
    """The key under `metrics:` that takes a rubric.

    Attributes:
        meaning: what is asked for, for people.
    """

    name: str
    meaning: str

    def make(self, argument: Any, root: Path, *, task: str, name: str | None = None) -> Rubric:
        """The rubric of an argument.

        Raises:
            TaskError: it is none, or its file cannot be read.
        """
        try:
            text = _read(argument, root)
        except ValueError as error:
            raise TaskError(f"task {task!r}: metrics: {self.name} is {show(argument)}", str(error)) from None
        return Rubric(Metric(name or self.name, bounds=(1.0, 10.0)), text)


def _read(value: Any, root: Path) -> str:
    """A rubric as it is written, or out of the file that one word names: to say how to judge takes several."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("say in words what makes an answer good, or give the path of a file that does")
    if len(value.split()) > 1:
        return value.strip()
    try:
        text = read_text_file(user_path(root / value, "rubric", TaskError), TaskError, "").strip()
    except TaskError as error:
        raise ValueError(f"say in words what makes an answer good, or give the path of a text file: {error}") from None
    if not text:
        raise ValueError("write into that file what makes an answer good: it is empty")
    return text


RUBRIC = RubricKind("rubric", "how good the judge finds the answer by it, from 1 to 10")
