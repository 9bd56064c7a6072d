"""Prompts out of rows: `{field}` replaced by its value, and questions with solved examples before them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from string import Formatter
from typing import TYPE_CHECKING, Any

from pydantic import Field

from harness.errors import TaskError
from harness.tasks.base import Item
from harness.tasks.items import ItemKeys, ReadTarget
from harness.tasks.keys import Count, Text
from harness.tasks.records import Record, read_records, show

if TYPE_CHECKING:
    from harness.tasks.build import Source
    from harness.tasks.kinds import Spec


@dataclass(frozen=True)
class Template:
    """A parsed template: literal text and field names by turns, each field name after its text."""

    parts: tuple[tuple[str, str | None], ...]

    @classmethod
    def parse(cls, text: str) -> Template:
        """Read a template; `{{` and `}}` stand for braces.

        Raises:
            TaskError: a brace is unbalanced, or a slot is more than a plain field name. Attribute access, indexing
                and conversions are refused, so a template from a config file cannot reach into objects.
        """
        try:
            pieces = list(Formatter().parse(text))
        except ValueError as error:
            raise TaskError(f"prompt template {text!r}: {error}", "write {{ and }} for literal braces") from None
        for _, field, form, conversion in pieces:
            if field is not None and (not field.strip() or form or conversion or set(field) & set(".[]{}")):
                remedy = "put only a field name between braces; write {{ and }} for literal braces"
                raise TaskError(f"prompt template {text!r}: {{{field}}} is not a plain field name", remedy)
        return cls(tuple((literal, field) for literal, field, _, _ in pieces))

    def render(self, record: Record) -> str:
        """The prompt for a row.

        Raises:
            DataError: the row lacks a field, or the field is neither text nor a number.
        """
        return "".join(text + (scalar_text(record, field) if field is not None else "") for text, field in self.parts)


def scalar_text(record: Record, field: str) -> str:
    """A field as text: text as it is, numbers and booleans as JSON writes them.

    Raises:
        DataError: the field is missing, null, a list or an object.
    """
    value = record.get(field)
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise record.error(f"field {field!r} is {show(value)}, not text or a number", "write it as text")


class FewShotKeys(ItemKeys):
    """Solved examples before each question."""

    examples: Text | None = Field(None, description="A data file of solved examples, with rows like those of `data`.")
    shots: Count | None = Field(None, description="How many of its first rows stand before each question.")


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

    Raises:
        TaskError: one of the two keys is given without the other, or the file has too few rows.
        DataError: the file cannot be read, or a row does not fit.
    """
    task, path, shots = source.task, source.keys.examples, source.keys.shots
    if path is None and shots is None:
        return ""
    if path is None or shots is None:
        given, lacking = ("shots", "examples") if path is None else ("examples", "shots")
        raise TaskError(f"task {task!r} has {given!r} but no {lacking!r}", f"add `{lacking}: ...` to the task")
    records = read_records(source.root / path)
    if len(records) < shots:
        raise TaskError(f"task {task!r}: shots is {shots}, but {path} has {len(records)} rows", "ask for fewer")
    return "".join(f"{solved(item)}\n\n" for item in source.reader.read(records[:shots], target))
