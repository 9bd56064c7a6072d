"""One reader of JSON objects, and what it says of a file that is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import DataError
from harness.json_files import read_json_object


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


def test_a_directory_in_its_place_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read_json_object(tmp_path, DataError, "restore it")
