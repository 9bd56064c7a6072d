"""What a trainer left, as text of someone else's: bounded, never a pickle, read or told to be unreadable."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.config.yaml_text import parse_foreign_yaml
from harness.errors import AdapterError
from harness.json_files import load_json, parse_json_object, read_json_object

_MOST_CONFIG_BYTES = 1 << 20
_MOST_LOG_BYTES = 256 << 20
_MOST_TEXT = 300
_MOST_NAMES = 20
_RESTORE = "restore it, or remove it to do without"


class Artefact:
    """What one trainer left.

    Attributes:
        path: a directory, or a single file that a log was named by.
        notes: what could not be read of it, and why: a configuration that says nothing makes no adapter wrong.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []

    @cached_property
    def names(self) -> list[str]:
        """Of what lies in it, or of the file itself."""
        if not self.path.is_dir():
            return [self.path.name] if self.path.exists() else []
        return sorted(path.name for path in self.path.iterdir())

    @property
    def parent(self) -> Artefact:
        """The directory that it lies in, as that of a checkpoint."""
        return Artefact(self.path.parent)

    def file(self, name: str) -> Path | None:
        """A file in it by its name, or that file itself; None where there is none."""
        path = self.path if not self.path.is_dir() and self.path.name == name else self.path / name
        return path if path.is_file() else None

    def matching(self, pattern: str) -> list[str]:
        """Names in it that match an expression whole."""
        return [name for name in self.names if re.fullmatch(pattern, name)]

    def text(self, name: str, *, most: int = _MOST_CONFIG_BYTES) -> str:
        """A file as text; empty where there is none.

        Raises:
            AdapterError: it cannot be read, or is longer than what people and trainers write.
        """
        path = self.file(name)
        if path is None:
            return ""
        try:
            with path.open("rb") as stream:
                data = stream.read(most + 1)
        except OSError as exc:
            raise AdapterError(f"{path} cannot be read: {exc.strerror}", _RESTORE) from exc
        if len(data) > most:
            raise AdapterError(f"{path} is longer than {most:,} bytes, and is not read", _RESTORE)
        return data.decode(errors="replace")

    def json_config(self, name: str) -> Mapping[str, Any]:
        """A configuration; empty where there is none, or none that can be read."""
        try:
            text = self.text(name)
            return parse_json_object(text.encode(), self.path / name, AdapterError, _RESTORE) if text else {}
        except AdapterError as exc:
            self.notes.append(exc.problem)
            return {}

    def yaml_config(self, name: str, text: str | None = None) -> Mapping[str, Any]:
        """The same of YAML, out of a file or, with `text`, out of a part of one."""
        try:
            value = parse_foreign_yaml(self.text(name) if text is None else text, str(self.path / name), AdapterError)
        except AdapterError as exc:
            self.notes.append(exc.problem)
            return {}
        return value if isinstance(value, dict) else {}

    def json_log(self, name: str) -> dict[str, Any]:
        """A log in one JSON object; raises AdapterError where it is torn."""
        path = self.file(name)
        if path is not None and path.stat().st_size > _MOST_LOG_BYTES:
            raise AdapterError(f"{path} is longer than {_MOST_LOG_BYTES:,} bytes, and is not read", _RESTORE)
        return read_json_object(path or self.path / name, AdapterError, _RESTORE)

    def log_lines(self, name: str) -> list[str]:
        """The lines of a log that are not empty."""
        return [line for line in self.text(name, most=_MOST_LOG_BYTES).splitlines() if line.strip()]

    def log_rows(self, name: str) -> list[Mapping[str, Any]]:
        """The JSON objects of a log of one a line. The last may be torn, as a killed run leaves it.

        Raises:
            AdapterError: another line is none.
        """
        lines = self.log_lines(name)
        rows: list[Mapping[str, Any]] = []
        for number, line in enumerate(lines, 1):
            try:
                row = load_json(line)
                if not isinstance(row, dict):
                    raise ValueError("it is no object")
            except ValueError as exc:
                if number == len(lines) and rows:
                    break
                raise AdapterError(f"{self.path / name}, line {number}, is no JSON object: {exc}", _RESTORE) from exc
            rows.append(row)
        return rows


def as_text(value: object) -> str | None:
    """A name out of a foreign file; None where it is none."""
    return value.strip()[:_MOST_TEXT] if isinstance(value, str) and value.strip() else None


def as_count(value: object) -> int | None:
    """A number of tokens, steps or ranks out of a foreign file; None where it is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 40 else None


def as_names(values: object) -> tuple[str, ...]:
    """Names out of a foreign file, whether it has one, or a list of them."""
    listed: Iterable[object] = values if isinstance(values, list) else [values]
    return tuple(dict.fromkeys(name for name in map(as_text, listed) if name is not None))[:_MOST_NAMES]


def as_mapping(value: object) -> Mapping[str, Any]:
    """A part of a foreign configuration; empty where it is none."""
    return value if isinstance(value, dict) else {}
