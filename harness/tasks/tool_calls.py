"""Tool calling: does the model call the right function with the right arguments, or rightly none?"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.config.base import Text
from harness.digests import digest_json
from harness.engines.requests import Answer
from harness.errors import show
from harness.json_files import load_json
from harness.metrics.base import Metric
from harness.metrics.matching import argument_f1, same_arguments
from harness.tasks.answers import Generates, generated_text
from harness.tasks.base import Grade, Item
from harness.tasks.build import GeneratingKeys, item_kind
from harness.tasks.records import Record, refuse_constant

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
        return load_json(
            text, object_pairs_hook=_unique_keys, parse_float=_finite_float, parse_constant=refuse_constant
        )
    except ValueError:
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


NO_CALL = "No function fits this request."
"""How the data set of this project says that no function fits."""


class ToolCallKeys(GeneratingKeys):
    """Keys of kind `tool_calls`."""

    no_call: Text = NO_CALL
    """the right answer where no function fits"""


@dataclass(frozen=True)
class ToolCallGrader(Generates):
    """Grades against a target of `{"name": ..., "arguments": {...}}`, or null where no function fits.

    `call_parsed`, `function_match` and `argument_f1` take the answer's one call with whatever text stands around it,
    and apply where a call is expected; `argument_f1` is 0 where the function is wrong. `no_call_match` applies where
    none is. `exact_match` applies to all and wants the answer to be the right call, or the fixed refusal, and
    nothing else but white space: that is what a program downstream can use.

    An answer is parsed into its call, into the refusal's text, or into None.

    Attributes:
        no_call: the refusal; compared without case, outer white space and final full stop.
    """

    max_new_tokens: int = 96
    no_call: str = NO_CALL

    @property
    def metrics(self) -> Sequence[Metric]:
        """The metrics; all are 0 for a model that has not learnt the format."""
        binary = ("exact_match", "call_parsed", "function_match", "no_call_match")
        return (
            *(Metric(name, kind="binary", floor=0.0) for name in binary),
            Metric("argument_f1", floor=0.0, bounds=(0.0, 1.0)),
        )

    @property
    def digest(self) -> str:
        return digest_json(["tool_calls", 1, self.max_new_tokens, self.stop, self.no_call])

    def grade(self, item: Item, answers: Sequence[Answer]) -> Grade:
        text = generated_text(item, answers)
        found, refused = find_call(text), self.is_refusal(text)
        parsed = self.no_call if refused else found.call.to_json() if found is not None else None
        if item.target is None:
            not_applying = dict.fromkeys(("call_parsed", "function_match", "argument_f1"))
            return Grade({**not_applying, "exact_match": float(refused), "no_call_match": float(refused)}, parsed)
        wanted = Call(item.target["name"], item.target["arguments"])
        right = found is not None and found.call.name == wanted.name
        given = found.call.arguments if found is not None else {}
        exact = found is not None and found.alone and right and same_arguments(given, wanted.arguments)
        scores = {
            "exact_match": float(exact),
            "call_parsed": float(found is not None),
            "function_match": float(right),
            "argument_f1": argument_f1(given, wanted.arguments) if right else 0.0,
            "no_call_match": None,
        }
        return Grade(scores, parsed)

    def is_refusal(self, text: str) -> bool:
        """Whether a text is the refusal and nothing else."""
        return _plain(text) == _plain(self.no_call)

    def answer(self, target: Any) -> str:
        """The call between its tags, or the refusal."""
        if target is None:
            return self.no_call
        return f"<tool_call>\n{json.dumps(target, ensure_ascii=False)}\n</tool_call>"

    def target(self, record: Record, field: str, value: Any) -> Any:
        """A row's gold answer: null, the refusal, a call as an object, as its JSON text or between tags."""
        if value is None or (isinstance(value, str) and self.is_refusal(value)):
            return None
        call = read_call(value)
        if call is None:
            remedy = f'write {{"name": ..., "arguments": {{...}}}}, or null or {self.no_call!r} where no function fits'
            raise record.error(f"field {field!r} is {show(value)}, not a call", remedy)
        return call.to_json()


def _plain(text: str) -> str:
    return text.strip().removesuffix(".").casefold()


def read_call(value: Any) -> Call | None:
    """The call that a value is: an object, its JSON text, or a text with the one call between tags; None for anything else."""
    if not isinstance(value, str):
        return Call.from_json(value)
    found = find_call(value)
    if found is not None:
        return found.call
    try:
        return Call.from_json(load_json(value))
    except ValueError:
        return None


TOOL_CALLS = item_kind("tool_calls", ToolCallKeys, ToolCallGrader)
