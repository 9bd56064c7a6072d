"""One reader of JSON objects, and what it says of a file that is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.errors import DataError
from harness.json_files import keep_json, kept_json, load_json, read_json_object


def test_an_object_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": [1]}')
    assert read_json_object(tmp_path / "a.json", DataError, "restore it") == {"a": [1]}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (None, r"a\.json is missing"),
        (b'{"a": ', "torn or no JSON"),
        (b"\xff", "torn or no JSON"),
        (b"[" * 100_000, "torn or no JSON"),
        (b"[1]", "holds a JSON list, not an object"),
        (b"true", "holds a JSON truth value"),
        (b"null", "holds a JSON null"),
    ],
)
def test_what_is_no_object_is_told_with_the_callers_remedy(tmp_path: Path, data: bytes | None, told: str) -> None:
    if data is not None:
        (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(DataError, match=told) as caught:
        read_json_object(tmp_path / "a.json", DataError, "restore it")
    assert caught.value.remedy == "restore it"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_has_a_remedy_of_its_own(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.json").write_bytes('{"a": 1}'.encode(encoding))
    with pytest.raises(DataError, match="begins with a byte-order mark") as caught:
        read_json_object(tmp_path / "a.json", DataError, "copy it again")
    assert "without the mark" in caught.value.remedy and "copy" not in caught.value.remedy


def test_a_directory_in_its_place_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read_json_object(tmp_path, DataError, "restore it")


DEEP = ["[" * 101 + "]" * 101, '{"a": ' * 101 + "1" + "}" * 101, "[" * 100_000, '{"a": [' * 60 + "1" + "]}" * 60]


@pytest.mark.parametrize("text", DEEP, ids=["lists", "objects", "torn", "both"])
def test_what_is_nested_too_deep_is_refused_before_anything_recurs_into_it(text: str) -> None:
    for given in (text, text.encode()):
        with pytest.raises(ValueError, match="nested more than 100 deep"):
            load_json(given)


def test_brackets_in_texts_and_side_by_side_are_no_depth() -> None:
    assert load_json('["' + "[" * 500 + '"]') == ["[" * 500]
    assert load_json("[" + ",".join(["[{}]"] * 500) + "]") == [[{}]] * 500


def test_what_was_left_for_another_process_is_read_or_not_there(tmp_path: Path) -> None:
    note = tmp_path / "note.json"
    assert kept_json(note) is None
    for data, left in ((b"[1]", [1]), (b"[1", None), (b"[" * 100_000, None), (b"\xff", None)):
        note.write_bytes(data)
        assert kept_json(note) == left


def test_a_pipe_and_a_file_without_end_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    for name in ("pipe", "link"):
        with pytest.raises(DataError, match="it is no file, but a pipe or a device"):
            read_json_object(tmp_path / name, DataError, "restore it")
    (tmp_path / "a.json").write_text("[1, 2]")
    with pytest.raises(DataError, match=r"a\.json is longer than 5 B"):
        read_json_object(tmp_path / "a.json", DataError, "restore it", most_bytes=5)


def test_what_cannot_be_kept_for_another_process_costs_nothing(tmp_path: Path) -> None:
    keep_json(tmp_path / "a" / "kept.json", {"x": 1})
    assert kept_json(tmp_path / "a" / "kept.json") == {"x": 1}
    (tmp_path / "taken").mkdir()
    keep_json(tmp_path / "taken", {"x": 1})  # a directory in its place
    keep_json(tmp_path / "a" / "kept.json" / "below", {"x": 1})  # a file above it
    assert kept_json(tmp_path / "taken") is None
