"""Calls of functions as OpenAI's API writes them, beside the text of a turn."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from harness.json_files import load_json
from harness.tasks.formats import Example
from harness.tasks.records import Record

Reader = Callable[[Record], Example]


def reading_calls(read: Reader) -> Reader:
    """The same reader of rows, for which calls are a part of the text: what is taught, counted and compared."""

    def read_with_calls(record: Record) -> Example:
        example = read(replace(record, fields={name: _as_text(value) for name, value in record.fields.items()}))
        return replace(example, fields=record.fields)

    return read_with_calls


def calls_as_text(turn: Mapping[str, Any]) -> str:
    """A turn's text with its calls behind it, each between tags; where it has none, its text."""
    said = turn.get("content")
    parts = said if isinstance(said, list) else [{"text": said}]
    texts = [part["text"] for part in parts if isinstance(part, Mapping) and isinstance(part.get("text"), str)]
    return "\n".join([*filter(None, texts), *map(_written, _calls(turn))])


def turns_with_calls(value: Any) -> Iterator[Mapping[str, Any]]:
    """The turns anywhere in a row that hold calls or answer one, in their order."""
    if isinstance(value, Mapping):
        if isinstance(value.get("role"), str):
            if _calls(value) or value.get("tool_call_id"):
                yield value
            return
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from turns_with_calls(one)


def _as_text(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_text(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    if isinstance(value.get("role"), str) and _calls(value):
        return {key: one for key, one in value.items() if key != "tool_calls"} | {"content": calls_as_text(value)}
    return {key: _as_text(one) for key, one in value.items()}


def _calls(turn: Mapping[str, Any]) -> list[Any]:
    calls = turn.get("tool_calls")
    return calls if isinstance(calls, list) else []


def _written(call: Any) -> str:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping):
        return f"<tool_call>\n{json.dumps(call, ensure_ascii=False)}\n</tool_call>"
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        with suppress(ValueError):  # which is told where the row is made ready to be sent
            arguments = load_json(arguments)
    told = {"name": function.get("name"), "arguments": arguments}
    return f"<tool_call>\n{json.dumps(told, ensure_ascii=False)}\n</tool_call>"
