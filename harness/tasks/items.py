"""Rows of a data file made items of a task."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.engines.requests import Message, Prompt
from harness.errors import TaskError
from harness.tasks.base import Item
from harness.tasks.layouts import LAYOUTS, detect_layout, parse_example
from harness.tasks.options import Options
from harness.tasks.records import Record, show
from harness.tasks.templates import Template, scalar_text

LAYOUT_NAMES = ("auto", "fields", *LAYOUTS)
ITEM_KEYS = (
    "layout", "prompt", "prompt_field", "target_field", "system", "id_field", "cluster_field", "tag_fields"
)  # fmt: skip

ReadTarget = Callable[[Record, str, Any], Any]


@dataclass(frozen=True)
class ItemReader:
    """How a row becomes an item.

    Attributes:
        layout: `fields` takes the prompt from `template`, the others from the conversation before its last
            assistant turn.
        target_field: holds the target; None: the last assistant turn is the target.
        system: system prompt for rows that bring none.
        id_field: names the item; None: its row number does.
    """

    layout: str
    template: Template | None
    target_field: str | None
    system: str | None
    id_field: str | None
    cluster_field: str | None
    tag_fields: tuple[str, ...]

    @classmethod
    def from_options(cls, options: Options, first: Record, *, needs_target: bool = True) -> ItemReader:
        """Read the keys of `ITEM_KEYS`.

        Args:
            needs_target: rows of layout `fields` hold what is right; False where the task says it of all rows alike.

        Raises:
            TaskError: a key has a wrong value, or two contradict each other.
            DataError: `layout: auto` cannot tell the layout of the first row.
        """
        layout = options.choice("layout", LAYOUT_NAMES, "auto")
        template = _template(options)
        if layout == "auto":
            layout = "fields" if template is not None else detect_layout(first)
        if layout == "fields":
            if needs_target:
                options.required("target_field")
            if template is None:
                raise TaskError(f"task {options.task!r} has no 'prompt'", "add `prompt: ...` or `prompt_field: ...`")
        elif template is not None:
            remedy = "leave the prompt out, or use layout: fields"
            raise TaskError(f"task {options.task!r}: a prompt is given, but layout {layout} brings its own", remedy)
        return cls(
            layout=layout,
            template=template,
            target_field=options.text("target_field"),
            system=options.text("system"),
            id_field=options.text("id_field"),
            cluster_field=options.text("cluster_field"),
            tag_fields=options.texts("tag_fields"),
        )

    def read(self, records: Sequence[Record], read_target: ReadTarget) -> list[Item]:
        """All rows as items.

        Args:
            read_target: (record, field name, value) -> target as the grader wants it.

        Raises:
            DataError: a row lacks a field or holds a wrong value, or two rows have one id.
        """
        rows: dict[str, int] = {}
        items = []
        for record in records:
            item = self._item(record, read_target)
            if item.id in rows:
                raise record.error(
                    f"field {self.id_field!r} repeats the id {item.id!r} of row {rows[item.id]}", "make ids unique"
                )
            rows[item.id] = record.row
            items.append(item)
        return items

    def _item(self, record: Record, read_target: ReadTarget) -> Item:
        messages, completion_field, completion = self._conversation(record)
        if self.system is not None and messages[0].role != "system":
            messages = (Message("system", self.system), *messages)
        if self.target_field is not None:
            target = read_target(record, self.target_field, record.get(self.target_field))
        else:
            target = read_target(record, completion_field, completion)
        return Item(
            id=f"row-{record.row}" if self.id_field is None else scalar_text(record, self.id_field),
            prompt=Prompt(messages=messages),
            target=target,
            cluster=None if self.cluster_field is None else scalar_text(record, self.cluster_field),
            tags={field: _tag(record, field) for field in self.tag_fields},
        )

    def _conversation(self, record: Record) -> tuple[tuple[Message, ...], str, str]:
        """The prompt, and the completion with the name of the field it stands in."""
        if self.template is None:
            example = parse_example(record, self.layout)
            return example.prompt, LAYOUTS[self.layout].fields[-1], example.completion
        user = self.template.render(record)
        if not user.strip():
            raise record.error("gives an empty prompt", "fill in the prompt's field or remove the row")
        return (Message("user", user),), "", ""


def _template(options: Options) -> Template | None:
    prompt, prompt_field = options.text("prompt"), options.text("prompt_field")
    if prompt is not None and prompt_field is not None:
        raise TaskError(f"task {options.task!r} has both 'prompt' and 'prompt_field'", "leave one of them out")
    if prompt_field is not None:
        return Template((("", prompt_field),))
    if prompt is None:
        return None
    template = Template.parse(prompt)
    if all(field is None for _, field in template.parts):
        raise options.wrong("prompt", "a template with at least one {field}")
    return template


def _tag(record: Record, field: str) -> str:
    value = record.get(field)
    if value is not None and not isinstance(value, str | bool | int | float):
        raise record.error(f"field {field!r} is {show(value)}, not a tag", "write text, a number or a boolean")
    return value if isinstance(value, str) else json.dumps(value)
