"""Rows of a data file, each with the number that finds it again in an editor."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from harness.errors import DataError, show


@dataclass(frozen=True)
class Record:
    """One row.

    Attributes:
        row: 1-based line on which the row starts (`.jsonl`, `.csv`: the header is line 1), or its 1-based place in
            the list (`.json`).
    """

    path: Path
    row: int
    fields: Mapping[str, Any]

    def get(self, field: str) -> Any:
        """The value of a field.

        Raises:
            DataError: the row has no such field; the message lists those it has.
        """
        if field not in self.fields:
            seen = ", ".join(repr(name) for name in self.fields) or "none"
            raise self.error(f"has no field {field!r}", f"the row's fields are: {seen}")
        return self.fields[field]

    def text(self, field: str) -> str:
        """The value of a field that must be text.

        Raises:
            DataError: the field is missing, of another type, or not Unicode.
        """
        return self.as_text(field, self.get(field))

    def as_text(self, field: str, value: object) -> str:
        """A value of this row that must be text; `field` says where it stands.

        Raises:
            DataError: it is of another type, or half a surrogate pair, which no tokenizer can encode.
        """
        if not isinstance(value, str):
            raise self.error(f"field {field!r} is {show(value)}, not text", "write it as a JSON string")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            problem = (
                f"field {field!r} has half a surrogate pair, {value[error.start]!r}, at character {error.start + 1}"
            )
            raise self.error(problem, "write the whole character, or remove it") from None
        return value

    def error(self, problem: str, remedy: str = "") -> DataError:
        """An error that names the file and this row."""
        return DataError(f"{self.path}: row {self.row} {problem}", remedy)


def filled(value: Any) -> bool:
    """Whether a field holds anything: null, empty text and empty lists are what files write for nothing."""
    return value is not None and value != "" and value != [] and value != {}


def read_records(path: Path) -> list[Record]:
    """Read a `.jsonl` (an object a line), `.json` (a list of objects) or `.csv` (with a header) file, in UTF-8.

    Blank lines of `.jsonl` and `.csv` are skipped but counted.

    Raises:
        DataError: the file is missing, empty, of another kind or malformed; the message names the line.
    """
    if path.suffix not in _READERS:
        raise DataError(f"{path}: unknown kind of data file {path.suffix!r}", f"use one of: {', '.join(_READERS)}")
    try:
        # utf-8-sig: spreadsheets begin their CSV exports with a byte order mark
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        remedy = "check the path; it is relative to the file that names it"
        raise DataError(f"no such data file: {path}", remedy) from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}", "save the file as UTF-8") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    records = [Record(path, row, fields) for row, fields in _READERS[path.suffix](path, text)]
    if not records:
        raise DataError(f"{path}: the file is empty: it has no rows", "write at least one row")
    return records


def _jsonl(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    # not splitlines(): JSON strings may hold U+2028 and other line breaks that are not "\n"
    for line, content in enumerate(text.split("\n"), 1):
        if content.strip():
            yield line, _object(path, line, _parse_json(path, content, line))


def _json(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    if not text.strip():
        return
    rows = _parse_json(path, text, 1)
    if not isinstance(rows, list):
        raise DataError(f"{path}: holds {show(rows)}, not a list", "write a list of objects, or use .jsonl")
    for row, value in enumerate(rows, 1):
        yield row, _object(path, row, value)


def _csv(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    start, header = 1, None
    try:
        for values in lines:
            row, start = start, lines.line_num + 1
            if not values:
                continue
            if header is None:
                header = values
                if len(set(header)) < len(header):
                    raise DataError(f"{path}: two columns of the header (line {row}) have one name", "rename one")
            elif len(values) != len(header):
                problem = f"has {len(values)} values, but the header names {len(header)} columns"
                raise Record(path, row, {}).error(problem, "quote values that hold a comma")
            else:
                yield row, dict(zip(header, values, strict=True))
    except csv.Error as error:
        raise DataError(f"{path}: not CSV at line {start}: {error}") from None


def _parse_json(path: Path, text: str, first_line: int) -> Any:
    try:
        return json.loads(text, parse_constant=refuse_constant)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        problem = f"{path}: not JSON at line {line} column {error.colno}: {error.msg}"
        raise DataError(problem, "correct that line") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON at line {first_line}: {error}", "correct that line") from None


def refuse_constant(name: str) -> NoReturn:
    """What `json.loads` does with NaN and infinities."""
    raise ValueError(f"{name} is not a JSON value")


def _object(path: Path, row: int, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Record(path, row, {}).error(f"is {show(value)}, not an object", "write each row as {...}")
    return value


_READERS: dict[str, Callable[[Path, str], Iterator[tuple[int, dict[str, Any]]]]] = {
    ".jsonl": _jsonl,
    ".json": _json,
    ".csv": _csv,
}
