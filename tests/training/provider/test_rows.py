"""Rows become what the API takes, whatever they were written as; what it would refuse is refused here, with file and row."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from provider_recipes import MakeServed, rows

from harness.checks.data import corpus_of_recipe
from harness.errors import DataError, RecipeError
from harness.training.provider import sent_files
from harness.training.provider.cost import tokens_about

WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
PARTS = [{"type": "text", "text": "Wet?"}, {"type": "text", "text": "Now?"}]


def call(name: str = "weather", arguments: Any = '{"city": "Oslo"}', **changes: Any) -> dict[str, Any]:
    return {"id": "call-1", "type": "function", "function": {"name": name, "arguments": arguments}, **changes}


def calling(*calls: Any, answer: bool = True, **changes: Any) -> dict[str, Any]:
    """A question, calls, a result and an answer."""
    turns = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Wet in Oslo?"},
        {"role": "assistant", "content": None, "tool_calls": list(calls) or [call()]},
        {"role": "tool", "tool_call_id": "call-1", "content": "rain"},
        {"role": "assistant", "content": "Yes."},
    ]
    return {"messages": turns if answer else turns[:3], "tools": [WEATHER], "parallel_tool_calls": False, **changes}


def sent(make_served: MakeServed, row: dict[str, Any], **changes: Any) -> Any:
    """What becomes of a row."""
    return json.loads(sent_files(make_served([row, *rows(9)], **changes)).train.rows[0].line)


def turns(*said: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in said]


@pytest.mark.parametrize(
    "row", [rows(1)[0], calling(), calling(answer=False)], ids=["plain", "calls", "ends in a call"]
)
def test_rows_in_the_apis_own_layout_are_sent_as_they_are(make_served: MakeServed, row: dict[str, Any]) -> None:
    wanted = {**row, "messages": [{k: v for k, v in turn.items() if v is not None} for turn in row["messages"]]}
    assert sent(make_served, row) == wanted


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Wet?", "completion": "Yes."},
        {"instruction": "Wet?", "input": "", "output": "Yes."},
        {"conversations": [{"from": "human", "value": "Wet?"}, {"from": "gpt", "value": "Yes."}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Wet?"}]}, {"role": "assistant", "content": "Yes."}]},
        {"messages": [*turns(("user", "Wet?"), ("assistant", "Yes.")), {"role": "user", "content": "thanks"}]},
    ],
    ids=["prompt and completion", "alpaca", "sharegpt", "parts", "a turn after the last answer"],
)  # fmt: skip
def test_rows_of_other_layouts_become_messages(make_served: MakeServed, row: dict[str, Any]) -> None:
    [line] = {sent_files(make_served([row] * 10)).train.rows[0].line}
    assert json.loads(line) == {"messages": turns(("user", "Wet?"), ("assistant", "Yes."))}


def test_answers_that_are_not_learnt_weigh_nothing(make_served: MakeServed) -> None:
    said = turns(("user", "a?"), ("assistant", "no"), ("user", "b?"), ("assistant", "yes"))
    weighed = [said[0], {**said[1], "weight": 0}, said[2], {**said[3], "weight": 1}]
    for mark in ({"weight": 0}, {"weight": 0.0}, {"train": False}, {"masked": 1}):
        assert sent(make_served, {"messages": [said[0], {**said[1], **mark}, *said[2:]]})["messages"] == weighed
    data = {"train": {"path": "train.jsonl"}, "train_on": "last"}
    assert sent(make_served, {"messages": said}, data=data)["messages"] == weighed
    assert sent(make_served, {"messages": said})["messages"] == said


def test_the_call_that_is_not_learnt_is_sent_with_its_weight(make_served: MakeServed) -> None:
    row = calling()
    row["messages"][2]["weight"] = 0
    assert [turn.get("weight") for turn in sent(make_served, row)["messages"]] == [None, None, 0, None, 1]


def test_a_system_prompt_of_its_own_column_comes_first(make_served: MakeServed) -> None:
    row = sent(make_served, {**calling(), "messages": calling()["messages"][1:], "system": "Be kind."})
    assert row["messages"][0] == {"role": "system", "content": "Be kind."}
    assert row["messages"][2]["tool_calls"] == [call()]


def test_pairs_keep_their_calls(make_served: MakeServed) -> None:
    asked = turns(("user", "Wet in Oslo?"))
    better, worse = (
        {"role": "assistant", "tool_calls": [call()]},
        {"role": "assistant", "tool_calls": [call(arguments="{}")]},
    )
    row = {
        "input": {"messages": asked, "tools": [WEATHER], "parallel_tool_calls": True},
        "preferred_output": [better],
        "non_preferred_output": [worse],
    }
    files = sent_files(make_served([row] * 10, trainer={"method": "dpo"}))
    assert json.loads(files.train.rows[0].line) == row


def test_the_suites_on_data_see_calls_as_text(make_served: MakeServed) -> None:
    corpus = corpus_of_recipe(make_served([calling(), *rows(9)]))
    [part] = corpus.parts
    assert not part.refused
    assert '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>' in part.rows[0].text


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (calling(call("clock")), "calls 'clock' (str) in turn 3, which is none of its tools"),
        ({**calling(), "tools": None}, "which is none of its tools"),
        (calling(call(arguments="{")), "arguments are '{' (str)"),
        (calling(call(arguments='["a"]')), "arguments are"),
        (calling(call(arguments={"city": "Oslo"})), "arguments are {'city': 'Oslo'} (dict)"),
        (calling(call(id="")), "has a call in turn 3 that is"),
        (calling(call(type="code")), "has a call in turn 3 that is"),
        (calling("weather()"), "has a call in turn 3 that is 'weather()' (str)"),
        (calling(call(), call()), "two calls of the id 'call-1' in turn 3"),
        (calling(call(id="call-2")), "a result of a tool in turn 4 whose tool_call_id is 'call-1' (str)"),
        (calling(call(), call(id="call-2")), "goes on in turn 5 before the call 'call-2' is answered"),
        ({**calling(), "tools": [{"type": "function", "function": {"name": "a b"}}]}, "has the tool"),
        ({**calling(), "tools": [{"type": "search"}]}, "has the tool"),
        ({"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": ""}]}, "content' is empty"),
        ({"messages": [{"role": "wizard", "content": "?"}]}, "'wizard' (str), not a role"),
        ({"messages": [{"role": "user", "content": "?"}]}, "no assistant turn"),
        ({"messages": [*turns(("user", "?")), {"role": "assistant", "content": "!", "weight": 0.5}]}, "0.5 (float)"),
        ({"messages": [*turns(("user", "?")), {"role": "assistant", "content": "!", "weight": 0}]}, "no turn to learn"),
        ({"messages": [*turns(("user", "?")), {"role": "assistant", "content": "!", "thinking": "hm"}]}, "holds reasoning"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "part of type 'image_url'"),
    ],
)  # fmt: skip
def test_what_the_api_would_refuse_is_refused_with_its_row(
    make_served: MakeServed, row: dict[str, Any], said: str
) -> None:
    recipe = make_served([*rows(10), row, row])
    with pytest.raises(DataError) as told:
        sent_files(recipe)
    assert "train.jsonl" in told.value.problem and "row 11" in told.value.problem
    assert said in told.value.problem and told.value.remedy


def test_plain_text_is_no_conversation(make_served: MakeServed) -> None:
    with pytest.raises(DataError, match="row 1 is plain text"):
        sent_files(make_served([{"text": f"words {i}"} for i in range(10)]))


def test_fewer_than_ten_rows_are_refused(make_served: MakeServed) -> None:
    with pytest.raises(RecipeError, match="9 rows to train on, and the API takes no fewer than 10"):
        sent_files(make_served(rows(9)))
    assert sent_files(make_served(rows(10)))


def test_rehearsal_is_sent_beside_the_rows_and_validation_apart(make_served: MakeServed) -> None:
    data = {"train": {"path": "train.jsonl"}, "rehearsal": {"path": "train.jsonl", "limit": 3}, "split": 0.25}
    files = sent_files(make_served(rows(16), data=data))
    assert files.validation is not None
    assert (len(files.train.rows), len(files.validation.rows)) == (15, 4)
    lines = {row.line for row in files.train.rows[:12]}
    assert not lines & {row.line for row in files.validation.rows}


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_more_text_never_takes_fewer_tokens(row: Any) -> None:
    assert tokens_about({"messages": [row]}) <= tokens_about({"messages": [row, {"role": "user", "content": "more"}]})


def test_estimates_are_rather_too_high() -> None:
    assert tokens_about("The quick brown fox jumps over the lazy dog.") == 18
