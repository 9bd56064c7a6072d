"""Prompts out of rows: `{field}` replaced by the field's value, nothing cleverer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from string import Formatter
from typing import TYPE_CHECKING

from harness.errors import TaskError, show
from harness.tasks.records import Record

if TYPE_CHECKING:
    pass


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
