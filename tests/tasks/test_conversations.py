"""Rows of every dialect are one conversation, of which just what the row wants learnt is learnt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.engines.requests import Message
from harness.errors import DataError
from harness.tasks.build import build_task
from harness.tasks.formats import Example, parse_example, parse_training_example
from harness.tasks.records import Record
from harness.training.reading import rows_of_file

SAID = [("user", "hi"), ("assistant", "hello"), ("user", "who?"), ("assistant", "me")]
USER, ANSWER = {"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}
AGAIN, LAST = {"role": "user", "content": "who?"}, {"role": "assistant", "content": "me"}
SCHEMA = {"name": "find", "parameters": {"type": "object", "properties": {}}}
TOOL = {"type": "function", "function": SCHEMA}


def read(tmp_path: Path, row: dict[str, Any]) -> Example:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    return rows_of_file(path).examples()[0]


def turns(*keys: str, speakers: tuple[str, str] = ("user", "assistant")) -> list[dict[str, str]]:
    names = dict(zip(("user", "assistant"), speakers, strict=True))
    return [dict(zip(keys, (names[role], text), strict=True)) for role, text in SAID]


@pytest.mark.parametrize(
    "row",
    [
        {"messages": turns("role", "content")},
        {"messages": turns("from", "value", speakers=("human", "gpt"))},
        {"conversations": turns("from", "value", speakers=("Human", "chatgpt"))},
        {"conversations": turns("role", "content", speakers=("user", "bot"))},
        {"conversation": turns("role", "value", speakers=("prompter", "model"))},
        {"Conversations": turns("speaker", "text")},
        {"messages": json.dumps(turns("role", "content"))},
        {"messages": [{**t, "content": [{"type": "text", "text": t["content"]}]} for t in turns("role", "content")]},
        {"instruction": "who?", "output": "me", "history": [["hi", "hello"]]},
        {"instruction": "who?", "input": "", "response": "me", "history": json.dumps([["hi", "hello"]])},
        {"question": "who?", "answer": "me", "history": turns("role", "content")[:2]},
    ],
)
def test_all_answers_of_a_conversation_are_learnt_in_any_dialect(tmp_path: Path, row: dict[str, Any]) -> None:
    conversation = read(tmp_path, row).conversation
    assert [(turn.role, turn.content) for turn in conversation.turns] == SAID
    assert conversation.learnt == (1, 3)


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ({"prompt": "hi", "response": "hello"}, "hi"),
        ({"Instruction": "hi", "INPUT": "you", " Response": "hello"}, "hi\n\nyou"),
        ({"question": "hi", "answer": "hello"}, "hi"),
        ({"query": "hi", "response": "hello"}, "hi"),
        ({"input": "hi", "output": "hello"}, "hi"),
        ({"instruction": "hi", "input": "you", "response": "hello"}, "hi\n\nyou"),
        ({"question": "hi", "context": "you", "answer": "hello"}, "hi\n\nyou"),
        ({"prompt": "hi", "completion": "hello", "output": "an older one"}, "hi"),
        ({"instruction": "hi", "output": "hello", "completion": "an older one"}, "hi"),
        ({"prompt": "you: hi", "context": "you", "completion": "hello"}, "you: hi"),
    ],
)
def test_a_question_and_its_answer_go_by_many_names(tmp_path: Path, row: dict[str, Any], wanted: str) -> None:
    example = read(tmp_path, row)
    assert (example.prompt, example.completion, example.lost) == ((Message("user", wanted),), "hello", frozenset())


@pytest.mark.parametrize(
    "mark", [{"weight": 0}, {"weight": 0.0}, {"train": False}, {"trainable": False}, {"loss": "0"}, {"masked": True}]
)
def test_a_turn_marked_not_to_be_learnt_is_context(tmp_path: Path, mark: dict[str, Any]) -> None:
    first = read(tmp_path, {"messages": [USER, {**ANSWER, **mark}, AGAIN, {**LAST, "weight": 1}]})
    assert (first.conversation.learnt, first.completion, len(first.prompt)) == ((3,), "me", 3)
    last = read(tmp_path, {"messages": [USER, ANSWER, AGAIN, {**LAST, **mark}]})
    assert (last.conversation.learnt, last.completion, len(last.prompt)) == ((1,), "hello", 1)
    assert not last.first_read, "an adapter cached from before learnt the other answer"
    with pytest.raises(DataError, match="no turn to learn"):
        read(tmp_path, {"messages": [USER, {**ANSWER, **mark}]})
    with pytest.raises(DataError, match="no turn to learn"):
        read(tmp_path, {"prompt": "hi", "completion": "hello", "weight": 0})


def test_answers_within_a_prompt_are_context(tmp_path: Path) -> None:
    assert read(tmp_path, {"prompt": [USER, ANSWER, AGAIN], "completion": [LAST]}).conversation.learnt == (3,)
    row = {"prompt": [USER, ANSWER, AGAIN], "completion": "me", "system": "Be kind."}
    assert read(tmp_path, row).conversation.learnt == (4,)


@pytest.mark.parametrize("tools", [[TOOL], [SCHEMA], json.dumps([TOOL]), json.dumps([SCHEMA]), [json.dumps(TOOL)]])
@pytest.mark.parametrize("column", ["tools", "functions"])
def test_tools_are_kept_for_the_template(tmp_path: Path, tools: Any, column: str) -> None:
    example = read(tmp_path, {"messages": [USER, ANSWER], column: tools})
    assert json.loads(example.conversation.tools or "") == [TOOL]
    task = {"kind": "exact_match", "data": "rows.jsonl"}
    assert build_task("t", task, root=tmp_path).items[0].prompt.as_tools() == [TOOL]


@pytest.mark.parametrize("key", ["reasoning_content", "thinking", "reasoning"])
def test_reasoning_of_a_turn_or_a_column_is_kept(tmp_path: Path, key: str) -> None:
    expected = Message("assistant", "hello", "a greeting")
    of_turn = read(tmp_path, {"messages": [USER, {**ANSWER, key: "a greeting"}]})
    of_column = read(tmp_path, {"prompt": "hi", "completion": "hello", key: "a greeting"})
    assert of_turn.conversation.answer == of_column.conversation.answer == expected
    assert not of_turn.first_read and not of_column.first_read


def test_a_system_prompt_of_its_own_column_comes_first_and_once(tmp_path: Path) -> None:
    assert read(tmp_path, {"messages": [USER, ANSWER], "system": "Be kind."}).prompt[0] == Message("system", "Be kind.")
    own = {"messages": [{"role": "system", "content": "Be kind."}, USER, ANSWER], "system": "Be kind."}
    assert [turn.role for turn in read(tmp_path, own).prompt] == ["system", "user"]
    with pytest.raises(DataError, match="'system' is another system prompt"):
        read(tmp_path, {**own, "system": "Be rude."})


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ({"prompt": "hi", "chosen": "hello", "rejected": "no"}, "a preference row.*'chosen' and 'rejected'"),
        ({"conversations": [USER], "chosen": ANSWER, "rejected": LAST}, "a preference row"),
        ({"messages": [USER, ANSWER], "chosen": [USER, ANSWER], "rejected": [USER, LAST]}, "a preference row"),
        ({"messages": [USER, ANSWER], "rejected_response": "no"}, "a preference row.*'rejected_response'"),
        ({"prompt": "hi", "chosen": "hello", "rejected": ""}, "a preference row"),
        ({"input": {}, "preferred_output": [ANSWER], "non_preferred_output": [LAST]}, "a preference row"),
        ({"prompt": "hi", "completion": "no", "label": False}, "a row of KTO.*'label' is False"),
        ({"messages": [USER, ANSWER], "kto_tag": False}, "a row of KTO"),
        ({"messages": [USER, ANSWER], "images": ["a.png"]}, "'images' would not be trained on"),
        (
            {"messages": [{**USER, "content": [{"type": "image_url"}]}, ANSWER]},
            r"'messages\[0\].content\[0\]' is a part",
        ),
        (
            {"conversations": [USER, {"from": "tool_call", "value": "{}"}]},
            r"tool_call[\s\S]*call it assistant and write the call",
        ),
        ({"prompt": "hi", "completion": "hello", "weight": 62}, r"'weight' is 62[\s\S]*rename the field"),
        ({"messages": [USER, {**ANSWER, "weight": 0.5}]}, r"'messages\[1\].weight' is 0.5"),
        ({"messages": [USER, ANSWER], "tools": "find"}, "'tools' is text that is not JSON"),
        ({"messages": [USER, ANSWER], "tools": [1]}, "'tools' is .* not tools"),
        (
            {"instruction": "hi", "output": "hello", "history": ["hi"]},
            r"'history\[0\]' is not a question and its answer",
        ),
    ],
)
def test_what_would_be_lost_or_learnt_against_the_users_will_is_refused(
    tmp_path: Path, row: dict[str, Any], wanted: str
) -> None:
    with pytest.raises(DataError, match=f"row 1 .*{wanted}"):
        read(tmp_path, row)


def test_wanted_rows_of_kto_and_boolean_answers_are_learnt(tmp_path: Path) -> None:
    assert read(tmp_path, {"prompt": "hi", "completion": "hello", "label": True}).completion == "hello"
    assert read(tmp_path, {"prompt": "2 > 3?", "completion": "false", "label": False}).completion == "false"
    record = Record(tmp_path, 1, {"messages": [USER, ANSWER], "label": False})
    assert parse_example(record, "messages").completion == "hello", "of a task's row it is the target"
    with pytest.raises(DataError, match="KTO"):
        parse_training_example(record, "messages")


def test_what_was_not_read_is_known(tmp_path: Path) -> None:
    row = {"messages": [{**USER, "name": "Mia"}, ANSWER], "id": 7, "note": "", "text": "hi", "documents": ["d"]}
    example = read(tmp_path, row)
    assert example.unread == {"messages[].name", "id", "text", "documents"}
    assert example.lost == {"documents"}
    assert example.first_read
    repeated = read(tmp_path, {"messages": [USER, ANSWER], "input": "hi"})
    assert (repeated.unread, repeated.lost) == ({"input"}, frozenset())


@pytest.mark.parametrize("column", ["question", "Complex_CoT", "reasoning_details", "my_thinking", "loss_scale"])
def test_a_second_question_and_reasoning_by_any_name_are_lost(tmp_path: Path, column: str) -> None:
    assert read(tmp_path, {"prompt": "Answer.", "completion": "hello", column: "Why?"}).lost == {column}


def test_why_an_answer_ended_and_what_was_rejected_by_nobody_are_no_loss(tmp_path: Path) -> None:
    example = read(tmp_path, {"prompt": "hi", "completion": "hello", "finish_reason": "stop", "rejected": False})
    assert example.lost == frozenset()


@pytest.mark.parametrize("image", [{"bytes": "aGk=", "path": None}, [{"path": "a.png"}]])
def test_an_image_beside_the_prompt_of_an_item_is_refused_by_name(tmp_path: Path, image: Any) -> None:
    task = {"kind": "exact_match", "data": "rows.jsonl", "prompt_field": "ask", "target_field": "reply"}
    (tmp_path / "rows.jsonl").write_text(json.dumps({"ask": "What is this?", "reply": "a dog", "image": image}) + "\n")
    with pytest.raises(DataError, match="field 'image' would not be asked"):
        build_task("t", task, root=tmp_path)
    (tmp_path / "rows.jsonl").write_text(
        json.dumps({"ask": "What is this?", "reply": "a dog", "image": "dog.png"}) + "\n"
    )
    assert len(build_task("t", task, root=tmp_path).items) == 1
