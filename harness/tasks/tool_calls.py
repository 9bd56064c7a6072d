"""Tool calling: does the model call the right function with the right arguments, or rightly none?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from harness.digests import digest_json
from harness.engines.requests import Answer
from harness.metrics.base import Metric
from harness.metrics.calls import argument_f1, same_arguments
from harness.tasks.answers import Generates, generated_text
from harness.tasks.base import Grade, Item
from harness.tasks.build import GeneratingKeys, item_kind
from harness.tasks.call_text import Call, find_call
from harness.tasks.keys import Text
from harness.tasks.records import Record, show

NO_CALL = "No function fits this request."
"""How the data set of this project says that no function fits."""


class ToolCallKeys(GeneratingKeys):
    """Keys of kind `tool_calls`."""

    no_call: Text = Field(NO_CALL, description="The right answer where no function fits.")


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
        """Digest of the settings."""
        return digest_json(["tool_calls", 1, self.max_new_tokens, self.stop, self.no_call])

    def grade(self, item: Item, answers: Sequence[Answer]) -> Grade:
        """Grade one answer."""
        text = generated_text(item, answers)
        if item.target is None:
            return self._grade_refusal(text)
        wanted = Call(item.target["name"], item.target["arguments"])
        found = find_call(text)
        right_function = found is not None and found.call.name == wanted.name
        right_arguments = found is not None and same_arguments(found.call.arguments, wanted.arguments)
        f1 = argument_f1(found.call.arguments, wanted.arguments) if found is not None and right_function else 0.0
        scores = {
            "exact_match": float(found is not None and found.alone and right_function and right_arguments),
            "call_parsed": float(found is not None),
            "function_match": float(right_function),
            "argument_f1": f1,
            "no_call_match": None,
        }
        return Grade(scores, self._parsed(text))

    def _grade_refusal(self, text: str) -> Grade:
        refused = float(self.is_refusal(text))
        scores = dict.fromkeys(("call_parsed", "function_match", "argument_f1"))
        return Grade({**scores, "exact_match": refused, "no_call_match": refused}, self._parsed(text))

    def is_refusal(self, text: str) -> bool:
        """Whether a text is the refusal and nothing else."""
        return _plain(text) == _plain(self.no_call)

    def _parsed(self, text: str) -> Any:
        if self.is_refusal(text):
            return self.no_call
        found = find_call(text)
        return None if found is None else found.call.to_json()

    def target(self, record: Record, field: str, value: Any) -> Any:
        """A row's gold answer: null, the refusal, a call as an object, as its JSON text or between tags.

        Raises:
            DataError: it is none of these.
        """
        if value is None or (isinstance(value, str) and self.is_refusal(value)):
            return None
        call = _read_call(value)
        if call is None:
            remedy = f'write {{"name": ..., "arguments": {{...}}}}, or null or {self.no_call!r} where no function fits'
            raise record.error(f"field {field!r} is {show(value)}, not a call", remedy)
        return call.to_json()


def _plain(text: str) -> str:
    return text.strip().removesuffix(".").casefold()


def _read_call(value: Any) -> Call | None:
    if not isinstance(value, str):
        return Call.from_json(value)
    found = find_call(value)
    if found is not None:
        return found.call
    try:
        return Call.from_json(json.loads(value))
    except (ValueError, RecursionError):
        return None


TOOL_CALLS = item_kind("tool_calls", ToolCallKeys, ToolCallGrader)
