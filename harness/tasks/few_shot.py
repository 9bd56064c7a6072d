"""Questions put as text with solved examples before them, as the knowledge and mathematics benchmarks do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from pydantic import model_validator

from harness.config.base import Count, Text, objection
from harness.errors import TaskError
from harness.tasks.base import Item
from harness.tasks.build import Source
from harness.tasks.items import ItemKeys, ReadTarget
from harness.tasks.kinds import Spec
from harness.tasks.records import read_records


class FewShotKeys(ItemKeys):
    """Solved examples before each question."""

    examples: Text | None = None
    """a data file of solved examples, with rows like those of `data`"""
    shots: Count | None = None
    """how many of its first rows stand before each question"""

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.examples is None) != (self.shots is None):
            given, lacking = ("shots", "examples") if self.examples is None else ("examples", "shots")
            raise objection(f"has {given!r} but no {lacking!r}", f"add `{lacking}:`")
        return self


def with_shots(name: str, spec: Spec, shots: int) -> Spec | None:
    """The specification with another number of examples; None where it names no file of them."""
    if "examples" not in spec:
        return None
    others = {key: value for key, value in spec.items() if key not in ("examples", "shots")}
    return {**spec, "shots": shots} if shots else others


def question_text(item: Item) -> str:
    """The item's question as text; a system prompt stands before it."""
    return "\n\n".join(message.content for message in item.prompt.messages)


def read_preamble(source: Source[Any], target: ReadTarget, solved: Callable[[Item], str]) -> str:
    """The first `shots` rows of the file `examples`, each with its answer and a blank line after it.

    Args:
        solved: question and answer of one example, worded as the task words its questions.
    """
    task, path, shots = source.task, source.keys.examples, source.keys.shots
    if path is None or shots is None:
        return ""
    records = read_records(source.root / path)
    if len(records) < shots:
        raise TaskError(f"task {task!r}: shots is {shots}, but {path} has {len(records)} rows", "ask for fewer")
    return "".join(f"{solved(item)}\n\n" for item in source.reader.read(records[:shots], target))
