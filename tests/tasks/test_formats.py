"""Data files are read in every format, and a malformed row is named by file, row and field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.engines.requests import Message
from harness.errors import DataError
from harness.tasks.records import read_records
from harness.training.reading import rows_of_file

USER = {"role": "user", "content": "hi"}
ANSWER = {"role": "assistant", "content": "hello"}


def write(directory: Path, name: str, text: str | list[Any]) -> Path:
    path = directory / name
    path.write_text(text if isinstance(text, str) else "".join(json.dumps(r) + "\n" for r in text), encoding="utf-8")
    return path


def test_row_numbers_are_the_lines_of_the_file(tmp_path: Path) -> None:
    assert [r.row for r in read_records(write(tmp_path, "a.jsonl", '{"x": 1}\n\n{"x": 2}\n'))] == [1, 3]
    assert [r.row for r in read_records(write(tmp_path, "a.json", '[{"x": 1}, {"x": 2}]'))] == [1, 2]
    records = read_records(write(tmp_path, "a.csv", 'x,y\n"two\nlines",1\n\nlast,2\n'))
    assert [(r.row, r.fields["x"]) for r in records] == [(2, "two\nlines"), (5, "last")]


def test_byte_order_mark_of_a_spreadsheet_is_not_part_of_the_first_column(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("\ufefftext,label\r\nfine,good\r\n".encode())
    assert read_records(path)[0].fields == {"text": "fine", "label": "good"}


@pytest.mark.parametrize(
    ("name", "header", "mark"),
    [
        ("a.csv", "x,y", ","),
        ("a.csv", "x;y", ";"),
        ("a.csv", "x\ty", "\t"),
        ("a.tsv", '"a, b"\ty', "\t"),
        ("a.csv", 'x;",;"', ";"),
    ],
)
def test_a_table_is_divided_as_its_header_is(tmp_path: Path, name: str, header: str, mark: str) -> None:
    long = "x" * 200_000
    fields = read_records(write(tmp_path, name, f'{header}\n"1, 2; 3"{mark}{long}\n'))[0].fields
    assert list(fields.values()) == ["1, 2; 3", long]


def test_unicode_line_separators_inside_a_json_string_do_not_split_the_row(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", '{"x": "a\u2028b\x85c"}\n')
    assert read_records(path)[0].fields["x"] == "a\u2028b\x85c"


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("a.jsonl", "", "empty"),
        ("a.jsonl", "\n \n", "empty"),
        ("a.json", " ", "empty"),
        ("a.json", "[]", "empty"),
        ("a.csv", "text,label\n", "empty"),
        ("a.jsonl", '{"x": 1}\n{"x": }\n', "line 2 column 7"),
        ("a.json", '[{"x": 1},\n {"x": oops}]', "line 2 column 8"),
        ("a.jsonl", '{"x": NaN}\n', "line 1: NaN"),
        ("a.jsonl", "[" * 100_000, "not JSON at line 1"),
        ("a.jsonl", '{"x": 1}\n[1]\n', "row 2 is [1] (list), not an object"),
        ("a.json", '{"x": 1}', "not a list"),
        ("a.csv", "a,b\n1,2\n1,2,3\n", "row 3 has 3 values, but the header names 2 columns"),
        ("a.csv", "a,a\n1,2\n", "two columns"),
        ("a.csv", 'a,b\n1,"2\n', "not CSV at line 2"),
        ("a.csv", "a;b\n1;2\n1;2;3\n", "row 3 has 3 values, but the header names 2 columns"),
        ("a.txt", "x", "'.txt'"),
    ],
)
def test_broken_file_is_refused_with_its_place(tmp_path: Path, name: str, text: str, wanted: str) -> None:
    path = write(tmp_path, name, text)
    with pytest.raises(DataError) as caught:
        read_records(path)
    assert wanted in caught.value.problem
    assert str(path) in caught.value.problem


def test_missing_file_and_wrong_encoding_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such data file"):
        read_records(tmp_path / "none.jsonl")
    (tmp_path / "latin.csv").write_bytes(b"a\ncaf\xe9\n")
    with pytest.raises(DataError, match="not UTF-8 at byte 5"):
        read_records(tmp_path / "latin.csv")


def test_missing_field_names_row_field_and_fields_seen(tmp_path: Path) -> None:
    record = read_records(write(tmp_path, "a.jsonl", [{"q": 1, "a": 2}]))[0]
    with pytest.raises(DataError, match=r"row 1 has no field 'question'\n.*'q', 'a'"):
        record.get("question")
    with pytest.raises(DataError, match=r"row 1 field 'q' is 1 \(int\), not text"):
        record.text("q")


FEWER = settings(max_examples=60)
CONVERSATION = (Message("user", "hi"),)


@pytest.mark.parametrize(
    ("format", "row", "prompt"),
    [
        ("alpaca", {"instruction": "Add", "input": "1 2", "output": "hello"}, (Message("user", "Add\n\n1 2"),)),
        ("alpaca", {"instruction": "hi", "input": "", "output": "hello"}, CONVERSATION),
        ("alpaca", {"instruction": "hi", "output": "hello"}, CONVERSATION),
        (
            "alpaca",
            {"instruction": "hi", "output": "hello", "system": "Be kind."},
            (Message("system", "Be kind."), *CONVERSATION),
        ),
        (
            "sharegpt",
            {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]},
            CONVERSATION,
        ),
        ("messages", {"messages": [USER, ANSWER]}, CONVERSATION),
        ("messages", {"messages": [USER, ANSWER, USER]}, CONVERSATION),
        (
            "messages",
            {"messages": [USER, {**ANSWER, "content": "1"}, USER, ANSWER]},
            (Message("user", "hi"), Message("assistant", "1"), Message("user", "hi")),
        ),
        ("prompt_completion", {"prompt": "hi", "completion": "hello"}, CONVERSATION),
        ("prompt_completion", {"prompt": [USER], "completion": [ANSWER]}, CONVERSATION),
    ],
)
def test_each_format_gives_prompt_and_completion(
    tmp_path: Path, format: str, row: dict[str, Any], prompt: tuple[Message, ...]
) -> None:
    path = write(tmp_path, "a.jsonl", [row])
    for name in (format, "auto"):
        (example,) = rows_of_file(path, name).examples()
        assert (example.prompt, example.completion, example.row) == (prompt, "hello", 1)
        assert example.fields == row


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ({"messages": [{"role": "robot", "content": "x"}, ANSWER]}, "'messages[0].role' is 'robot' (str)"),
        ({"messages": [{"content": "x"}, ANSWER]}, "'messages[0].role' is None"),
        ({"messages": [USER, {"role": "assistant", "content": None}]}, "'messages[1].content' is None"),
        ({"messages": [USER, {"role": "assistant", "content": " "}]}, "'messages[1].content' is empty"),
        ({"messages": [USER, {**ANSWER, "tool_calls": [{"function": {}}]}]}, "'messages[1].tool_calls' would not be"),
        ({"messages": [USER, {**ANSWER, "function_call": {"name": "f"}}]}, "'messages[1].function_call' would not be"),
        ({"conversations": [{"from": "function_call", "value": "x"}]}, "'conversations[0].from' is 'function_call'"),
        ({"instruction": "x", "input": "\udc00", "output": "y"}, r"'input' has half a surrogate pair, '\udc00'"),
        ({"messages": [USER, {"role": "assistant", "content": ["x"]}]}, "'messages[1].content' is ['x'] (list)"),
        ({"messages": [USER]}, "'messages' has no assistant turn"),
        ({"messages": []}, "'messages' has no assistant turn"),
        ({"messages": [ANSWER]}, "'messages' has nothing before the assistant turn"),
        ({"messages": "hi"}, "'messages' is 'hi' (str), not a list of turns"),
        ({"messages": ["hi"]}, "'messages[0]' is 'hi' (str), not an object"),
        ({"conversations": [{"from": "robot", "value": "x"}]}, "'conversations[0].from' is 'robot'"),
        ({"instruction": "x", "output": ""}, "'output' is empty"),
        ({"instruction": 3, "output": "x"}, "'instruction' is 3 (int)"),
        ({"prompt": "x", "completion": None}, "'completion' is None"),
        ({"prompt": [USER], "completion": [USER]}, "'completion' has no assistant turn"),
        ({"question": "x"}, "fits no format: its fields are question"),
    ],
)
def test_malformed_row_names_file_row_and_field(tmp_path: Path, row: dict[str, Any], wanted: str) -> None:
    path = write(tmp_path, "a.jsonl", "\n" + json.dumps(row))
    with pytest.raises(DataError) as caught:
        rows_of_file(path).examples()
    assert f"{path}: row 2 " in caught.value.problem
    assert wanted in caught.value.problem


def test_later_row_of_another_format_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", [{"messages": [USER, ANSWER]}, {"prompt": "a", "completion": "b"}])
    with pytest.raises(DataError, match="row 2 has no field 'messages'"):
        rows_of_file(path).examples()


def test_unknown_format_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no data format 'chatml'\n.*sharegpt"):
        rows_of_file(write(tmp_path, "a.jsonl", [{"messages": [USER, ANSWER]}]), "chatml").examples()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
turns = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "x"]), "content": json_values}), max_size=4
)


@FEWER
@given(
    st.dictionaries(st.sampled_from(["messages", "prompt", "completion", "output", "instruction"]), json_values | turns)
)
@example({"prompt": [], "completion": "yes"})
def test_any_row_is_read_or_refused_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, row: dict[str, Any]
) -> None:
    path = write(tmp_path_factory.getbasetemp(), "any.jsonl", [row])
    try:
        (example,) = rows_of_file(path).examples()
    except DataError as error:
        assert "row 1 " in error.problem
    else:
        assert example.prompt and example.completion.strip()


@FEWER
@given(st.lists(st.dictionaries(st.text(min_size=1), json_values, min_size=1), min_size=1, max_size=5))
def test_jsonl_and_json_give_the_rows_that_were_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    directory = tmp_path_factory.getbasetemp()
    raw = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (directory / "b.jsonl").write_text(raw, encoding="utf-8", errors="surrogatepass", newline="")
    (directory / "b.json").write_text(json.dumps(rows), encoding="utf-8")
    assert [r.fields for r in read_records(directory / "b.jsonl")] == rows
    assert [r.fields for r in read_records(directory / "b.json")] == rows
