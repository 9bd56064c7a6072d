"""Tool calls as models write them: `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

_TAG = re.compile(r"</?tool_call>")


@dataclass(frozen=True)
class Call:
    """A function and the arguments it is to be called with, all of them JSON values."""

    name: str
    arguments: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {"name": self.name, "arguments": dict(self.arguments)}

    @classmethod
    def from_json(cls, value: object) -> Call | None:
        """A call from an object of exactly `name` (text) and `arguments` (an object); None for anything else."""
        if not isinstance(value, dict) or value.keys() != {"name", "arguments"}:
            return None
        name, arguments = value["name"], value["arguments"]
        return cls(name, arguments) if isinstance(name, str) and isinstance(arguments, dict) else None


@dataclass(frozen=True)
class FoundCall:
    """A call in an answer; `alone` when the answer holds nothing else but white space."""

    call: Call
    alone: bool


def find_call(answer: str) -> FoundCall | None:
    """The one call of an answer, whatever text stands around it.

    None unless the answer holds exactly one opening and then one closing tag (two calls are no answer to one
    request) with strict JSON between them: no repeated keys, no NaN, no number out of a float's range.
    """
    tags = list(_TAG.finditer(answer))
    if [tag.group() for tag in tags] != ["<tool_call>", "</tool_call>"]:
        return None
    first, last = tags
    call = Call.from_json(_strict_json(answer[first.end() : last.start()]))
    around = answer[: first.start()] + answer[last.end() :]
    return None if call is None else FoundCall(call, alone=not around.strip())


def _strict_json(text: str) -> Any:
    """The JSON value of a model's text, or None: models write anything, so nothing here may raise."""
    try:
        return json.loads(
            text, object_pairs_hook=_unique_keys, parse_float=_finite_float, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError):
        return None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a key is repeated")
    return values


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is out of range")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
