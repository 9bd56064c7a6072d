"""Rows of a data file, each with the number that finds it again in an editor."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from harness.errors import DataError, show, these
from harness.json_files import load_json
from harness.tasks.data_files import MAX_BYTES, TABLES, files_of, kind_of_file, read_text
from harness.tasks.tables import read_table


@dataclass(frozen=True)
class Record:
    """One row.

    Attributes:
        row: 1-based line on which the row starts (JSON lines, CSV: the header is line 1), or its 1-based place in the
            list, the table or the folder.
    """

    path: Path
    row: int
    fields: Mapping[str, Any]

    def get(self, field: str) -> Any:
        """The value of a field.

        Raises:
            DataError: the row has no such field, and the message lists those it has; or a text in it is no Unicode.
        """
        if field not in self.fields:
            raise self.error(f"has no field {field!r}", f"the row's fields are: {these(list(self.fields))}")
        value = self.fields[field]
        self._refuse_halves(field, value)
        return value

    def text(self, field: str) -> str:
        """The value of a field that must be text.

        Raises:
            DataError: the field is missing, of another type, or not Unicode.
        """
        return self.as_text(field, self.get(field))

    def as_text(self, field: str, value: object) -> str:
        """A value of this row that must be text; `field` says where it stands.

        Raises:
            DataError: it is of another type, or no Unicode.
        """
        if not isinstance(value, str):
            remedy = "give one text" if isinstance(value, list | dict) else "write it as a JSON string"
            raise self.error(f"field {field!r} is {show(value)}, not text", remedy)
        self._refuse_halves(field, value)
        return value

    def _refuse_halves(self, field: str, value: Any) -> None:
        """JSON can write half a surrogate pair, which no tokenizer can encode and no run can store."""
        if isinstance(value, Mapping):
            value = [*value.keys(), *value.values()]
        if isinstance(value, list | tuple):
            for one in value:
                self._refuse_halves(field, one)
        if not isinstance(value, str):
            return
        try:
            value.encode()
        except UnicodeEncodeError as error:
            problem = (
                f"field {field!r} has half a surrogate pair, {value[error.start]!r}, at character {error.start + 1}"
            )
            raise self.error(problem, "write the whole character, or remove it") from None

    def error(self, problem: str, remedy: str = "") -> DataError:
        """An error that names the file and this row."""
        return DataError(f"{self.path}: row {self.row} {problem}", remedy)


def filled(value: Any) -> bool:
    """Whether a field holds anything: null, empty text and empty lists are what files write for nothing."""
    return value is not None and value != "" and value != [] and value != {}


def read_records(path: Path) -> list[Record]:
    """Read the rows of a data file: JSON lines, a list of JSON objects, CSV or TSV with a header, Parquet or Arrow.

    What JSON a file holds is seen in it, whatever its name says. Texts may be packed (`.gz`, `.zst`); they are in UTF-8, or in
    UTF-16 with its mark. Blank lines of JSON lines and CSV are skipped but counted.

    Args:
        path: a file, a folder that `save_to_disk` wrote or that holds the shards of one split, or such a split's name
            (`harness.tasks.data_files.files_of`); rows of several files are numbered on.

    Raises:
        DataError: the file is missing, empty, of another kind, malformed, or unpacks to too much; the message names the line.
    """
    files = files_of(path)
    records = [Record(path, row, fields) for row, fields in _numbered_on(path, files)]
    if not records:
        raise DataError(f"{path}: the file is empty: it has no rows", "write at least one row")
    return records


def _numbered_on(path: Path, files: Sequence[Path]) -> Iterator[tuple[int, dict[str, Any]]]:
    if files == [path]:
        yield from _rows(path)
        return
    yield from enumerate((fields for file in files for _, fields in _rows(file)), 1)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    kind = kind_of_file(path)
    return enumerate(read_table(path), 1) if kind in TABLES else _READERS[kind](path, read_text(path))


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    # not splitlines(): JSON strings may hold U+2028 and other line breaks that are not "\n"
    for line, content in enumerate(text.split("\n"), 1):
        if content.strip():
            yield line, _object(path, line, _parse_json(path, content, line))


def _json(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of JSON lines or of one JSON value, whichever it is."""
    if not text.strip():
        return
    if _is_lines(text, said_to_be=kind_of_file(path) != ".json"):
        yield from _json_lines(path, text)
        return
    rows = _parse_json(path, text, 1)
    if isinstance(rows, dict):
        rows = _rows_within(path, rows)
    if not isinstance(rows, list):
        raise DataError(f"{path}: holds {show(rows)}, not a list", "write a list of objects, or use .jsonl")
    for row, value in enumerate(rows, 1):
        yield row, _object(path, row, value)


def _is_lines(text: str, *, said_to_be: bool) -> bool:
    """Whether a text is JSON lines; of one that may be either, or neither, as its file's name says."""
    first, _, more = text.lstrip().partition("\n")
    if not more.strip():
        return said_to_be and not first.startswith("[")
    if _is_json(first):
        return True
    return said_to_be and not _is_json(text)


def _is_json(text: str) -> bool:
    try:
        load_json(text)
    except ValueError:
        return False
    return True


def _rows_within(path: Path, value: dict[str, Any]) -> Any:
    """The list of rows that an object holds under one of the usual names; else the object."""
    found = [name for name in _ROWS_UNDER if isinstance(value.get(name), list)]
    if len(found) > 1:
        problem = f"{path}: holds several lists of rows: {', '.join(found)}"
        raise DataError(problem, "save the one that is meant as a file of its own")
    return value[found[0]] if found else value


def _csv(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows divided as the header is: by what the file's name says, or else by semicolons, as European spreadsheets do."""
    header_line = re.sub(r'"[^"]*"', "", text.lstrip("\n").partition("\n")[0])
    said = "\t" if kind_of_file(path) == ".tsv" else ","
    delimiter = said if said in header_line else max(_DELIMITERS, key=header_line.count)
    csv.field_size_limit(MAX_BYTES)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
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
                raise Record(path, row, {}).error(problem, f"quote values that hold a {_DELIMITERS[delimiter]}")
            else:
                yield row, dict(zip(header, values, strict=True))
    except csv.Error as error:
        problem = f"{path}: not CSV at line {start}: {error}"
        raise DataError(problem, "close its quotes, and double those within a value") from None


def _parse_json(path: Path, text: str, first_line: int) -> Any:
    try:
        return load_json(text, parse_constant=refuse_constant)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        problem = f"{path}: not JSON at line {line} column {error.colno}: {error.msg}"
        raise DataError(problem, "correct that line") from None
    except ValueError as error:
        raise DataError(f"{path}: not JSON at line {first_line}: {error}", "correct that line") from None


def refuse_constant(name: str) -> NoReturn:
    """What `json.loads` does with NaN and infinities."""
    raise ValueError(f"{name} is not a JSON value")


def _object(path: Path, row: int, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Record(path, row, {}).error(f"is {show(value)}, not an object", "write each row as {...}")
    return value


_DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon"}
_ROWS_UNDER = (
    "data",
    "rows",
    "examples",
    "records",
    "items",
    "instances",
    "train",
    "validation",
    "valid",
    "dev",
    "test",
)
_READERS: dict[str, Callable[[Path, str], Iterator[tuple[int, dict[str, Any]]]]] = {
    ".jsonl": _json,
    ".ndjson": _json,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _csv,
}
