"""Tool calls are found in whatever a model writes, safely and strictly."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.tasks.tool_calls import Call, find_call

PLAIN = st.text(alphabet=st.characters(exclude_characters="<", exclude_categories=("Cs",)))
VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | PLAIN


@given(PLAIN, st.dictionaries(PLAIN, VALUES | st.lists(VALUES, max_size=3), max_size=4), PLAIN, PLAIN)
def test_a_written_call_is_read_back_whatever_stands_around_it(
    name: str, arguments: dict[str, Any], before: str, after: str
) -> None:
    answer = f"{before}<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>{after}"
    found = find_call(answer)
    assert found is not None
    assert found.call == Call(name, arguments)
    assert found.alone == (not before.strip() and not after.strip())


@given(
    st.lists(st.sampled_from(["<tool_call>", "</tool_call>", "{", "}", '"name"', ":", ",", '"arguments"', "1", " "]))
)
def test_any_text_is_read_without_an_exception(pieces: list[str]) -> None:
    found = find_call("".join(pieces))
    assert found is None or isinstance(found.call, Call)


CALL = '<tool_call>{"name": "f", "arguments": {}}</tool_call>'


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "f()",
        CALL + CALL,
        CALL.removesuffix("</tool_call>"),
        "</tool_call><tool_call>",
        CALL.replace("{}", "[]"),
        CALL.replace('"f"', "null"),
        CALL.replace('"f"', '"f", "id": 1'),
        CALL.replace(', "arguments": {}', ""),
        CALL.replace("{}", "{'a': 1}"),
        CALL.replace("{}", '{"a": 1, "a": 2}'),
        CALL.replace("{}", '{"a": NaN}'),
        CALL.replace("{}", '{"a": 1e999}'),
        CALL.replace("{}", '{"a": ' + "9" * 5000 + "}"),
        CALL.replace("{}", '{"a": ' + "[" * 100_000 + "}"),
        CALL.replace("{}", '__import__("os").system("true")'),
    ],
)
def test_what_is_not_one_strict_call_is_no_call(answer: str) -> None:
    assert find_call(answer) is None
