"""Rows of a data file made items of a task: prompts out of their fields, targets, and tags."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any, ClassVar, Self

from pydantic import field_validator, model_validator

from harness.config.base import Text, objection
from harness.engines.requests import SYSTEM_ROLES, Message, Prompt
from harness.errors import TaskError, did_you_mean, joined, nearest, show, these
from harness.tasks.base import Item
from harness.tasks.formats import AUTO, DATA_FORMATS, detect_format, parse_example, refuse_media
from harness.tasks.kinds import TaskKeys, Texts
from harness.tasks.records import Record

FIELDS = "fields"

Template = tuple[tuple[str, str | None], ...]
"""A prompt as literal text and field names by turns, each field name after its text."""

ReadTarget = Callable[[Record, str, Any], Any]


class RowKeys(TaskKeys):
    """How the rows of a data file are read."""

    renamed: ClassVar[Mapping[str, str]] = {"layout": "format"}

    format: Text = AUTO
    """format of the rows; auto tells it from the first, fields takes the prompt from prompt or prompt_field"""
    prompt: Text | None = None
    """the prompt, with a row's fields in it: {field}"""
    prompt_field: Text | None = None
    """the field that is the prompt"""
    system: Text | None = None
    """system prompt of rows that bring none"""
    id_field: Text | None = None
    """the field that names an item; without it, the row's number does"""
    cluster_field: Text | None = None
    """items with the same value here are not independent evidence"""
    tag_fields: Texts = ()
    """fields by which the report shows slices, and gates narrow by `where:`"""

    @field_validator("prompt")
    @classmethod
    def _plain_fields(cls, prompt: str | None) -> str | None:
        if prompt is not None:
            _parse_template(prompt)
        return prompt

    @model_validator(mode="after")
    def _one_prompt(self) -> Self:
        if self.prompt is not None and self.prompt_field is not None:
            raise objection("has both 'prompt' and 'prompt_field'", "leave one of them out")
        return self

    @property
    def template(self) -> Template | None:
        """The prompt that the task's keys give; None where the rows bring theirs."""
        if self.prompt_field is not None:
            return (("", self.prompt_field),)
        return None if self.prompt is None else _parse_template(self.prompt)


class ItemKeys(RowKeys):
    """A data file, its rows, and where in them the right answer stands."""

    needs_target: ClassVar[bool] = True

    data: Text
    """the data file (JSON lines, JSON, CSV, Parquet, Arrow; .gz and .zst too) or saved dataset; the path starts at assay.yaml"""
    target_field: Text | None = None
    """the field that holds the right answer; of a conversation, its last turn where this is not given"""


@dataclass(frozen=True)
class ItemReader:
    """How a row becomes an item.

    Attributes:
        format: `fields` takes the prompt from `template`, the others from the conversation before its last
            assistant turn.
    """

    keys: RowKeys
    format: str
    template: Template | None

    @classmethod
    def from_keys(cls, task: str, keys: RowKeys, records: Sequence[Record]) -> ItemReader:
        """How the rows of a file are read.

        Raises:
            TaskError: the keys do not say how, or name fields that no row has; all of those are told at once.
        """
        template, chosen = keys.template, keys.format
        known = [AUTO, FIELDS, *DATA_FORMATS.names()]
        if chosen not in known:
            raise TaskError(f"task {task!r}: format is {chosen!r}", nearest(chosen, known))
        if chosen == AUTO:
            chosen = FIELDS if template is not None else detect_format(records[0])
        if chosen == FIELDS and template is None:
            raise TaskError(f"task {task!r} has no 'prompt'", "add `prompt: ...` or `prompt_field: ...`")
        if chosen == FIELDS and isinstance(keys, ItemKeys) and keys.needs_target and keys.target_field is None:
            raise TaskError(f"task {task!r} has no 'target_field'", "add `target_field: ...` to the task")
        if chosen != FIELDS and template is not None:
            remedy = "leave the prompt out, or use format: fields"
            raise TaskError(f"task {task!r}: a prompt is given, but format {chosen} brings its own", remedy)
        _require_fields(task, keys, records)
        return cls(keys, chosen, template)

    @property
    def has_target(self) -> bool:
        """Whether rows bring a right answer, in a field of its own or as the end of their conversation."""
        return self.format != FIELDS or (isinstance(self.keys, ItemKeys) and self.keys.target_field is not None)

    def read(self, records: Sequence[Record], read_target: ReadTarget) -> list[Item]:
        """All rows as items.

        Args:
            read_target: (record, field name, value) -> target as the grader wants it.
        """
        rows: dict[str, int] = {}
        items = []
        for record in records:
            item = self.item(record, read_target)
            if item.id in rows:
                raise record.error(
                    f"field {self.keys.id_field!r} repeats the id {item.id!r} of row {rows[item.id]}", "make ids unique"
                )
            rows[item.id] = record.row
            items.append(item)
        return items

    def item(self, record: Record, read_target: ReadTarget) -> Item:
        """One row as an item."""
        messages, tools, completion_field, completion = self._conversation(record)
        if self.keys.system is not None and messages[0].role not in SYSTEM_ROLES:
            messages = (Message("system", self.keys.system), *messages)
        target_field = self.keys.target_field if isinstance(self.keys, ItemKeys) else None
        if target_field is not None:
            target = read_target(record, target_field, record.get(target_field))
        else:
            target = read_target(record, completion_field, completion)
        return Item(
            id=f"row-{record.row}" if self.keys.id_field is None else scalar_text(record, self.keys.id_field),
            prompt=Prompt(messages=messages, tools=tools),
            target=target,
            cluster=None if self.keys.cluster_field is None else scalar_text(record, self.keys.cluster_field),
            tags={field: _tag(record, field) for field in self.keys.tag_fields},
        )

    def completion(self, record: Record) -> str | None:
        """The answer as the row's conversation ends in it; None where the right one stands in a field of its own."""
        own_field = isinstance(self.keys, ItemKeys) and self.keys.target_field is not None
        return None if own_field else self._conversation(record)[3]

    def _conversation(self, record: Record) -> tuple[tuple[Message, ...], str | None, str, str]:
        """The prompt's turns and tools, and the completion with the name of the field it stands in."""
        if self.template is None:
            example = parse_example(record, self.format)
            tools, field = example.conversation.tools, DATA_FORMATS.get(self.format).fields[-1]
            return example.prompt, tools, field, example.completion
        refuse_media(record)
        user = "".join(
            text + (scalar_text(record, field) if field is not None else "") for text, field in self.template
        )
        if not user.strip():
            raise record.error("gives an empty prompt", "fill in the prompt's field or remove the row")
        return (Message("user", user),), None, "", ""


def _require_fields(task: str, keys: RowKeys, records: Sequence[Record]) -> None:
    """Refuse keys that name fields which no row has. One that only some rows lack is those rows' fault."""
    there = list(dict.fromkeys(name for record in records for name in record.fields))
    lacking = [(key, field) for key, field in _named_fields(keys) if field not in there]
    if lacking:
        path = records[0].path
        raise joined(
            [
                TaskError(
                    f"task {task!r}: {key} names the field {field!r}, which no row of {path} has",
                    f"{did_you_mean(field, there)}the rows' fields are: {these(there)}",
                )
                for key, field in lacking
            ],
            TaskError,
        )


def _named_fields(keys: RowKeys) -> list[tuple[str, str]]:
    """The fields that a task's keys name, each with its key."""
    named = [] if keys.prompt is None else [("prompt", field) for _, field in keys.template or () if field is not None]
    for key in type(keys).model_fields:
        if key.endswith(("_field", "_fields")):
            value = getattr(keys, key)
            named += [(key, field) for field in ((value,) if isinstance(value, str) else value or ())]
    return named


def _tag(record: Record, field: str) -> str:
    value = record.get(field)
    if value is not None and not isinstance(value, str | bool | int | float):
        raise record.error(f"field {field!r} is {show(value)}, not a tag", "write text, a number or a boolean")
    return value if isinstance(value, str) else json.dumps(value)


def _parse_template(text: str) -> Template:
    """The parts of a prompt; `{{` and `}}` stand for braces.

    Attribute access, indexing and conversions are refused, so that a prompt of a file cannot reach into objects.
    """
    try:
        pieces = list(Formatter().parse(text))
    except ValueError as error:
        raise objection(str(error), "write {{ and }} for literal braces") from None
    for _, field, form, conversion in pieces:
        if field is not None and (not field.strip() or form or conversion or set(field) & set(".[]{}")):
            remedy = "put only a field name between braces; write {{ and }} for literal braces"
            raise objection(f"{{{field}}} is not a plain field name", remedy)
    if all(field is None for _, field, _, _ in pieces):
        raise objection("no field of a row stands in it", "give a template with at least one {field}")
    return tuple((literal, field) for literal, field, _, _ in pieces)


def scalar_text(record: Record, field: str) -> str:
    """A field as text: text as it is, numbers and booleans as JSON writes them."""
    value = record.get(field)
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise record.error(f"field {field!r} is {show(value)}, not text or a number", "write it as text")
