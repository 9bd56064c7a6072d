"""JSON out of files and messages: bounded, and with errors for people."""

from __future__ import annotations

import codecs
import contextlib
import json
from pathlib import Path
from typing import Any

from harness.errors import AssayError
from harness.paths import read_file, write_atomic

_MOST_BYTES = 1 << 28
_DEEPEST = 100


def load_json(text: str | bytes, **hooks: Any) -> Any:
    """As `json.loads`, which takes the hooks, of a text that nobody vouches for.

    Raises:
        ValueError: it is no JSON, or nested deeper than what people and programs write: whatever went through it by
            recursion would end in an error that says nothing.
    """
    try:
        value = json.loads(text, **hooks)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    opening = ("[", "{") if isinstance(text, str) else (b"[", b"{")
    if sum(map(text.count, opening)) > _DEEPEST and _is_deep(value):  # type: ignore[arg-type]
        raise ValueError(_TOO_DEEP)
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        lists, objects = [one for one in level if type(one) is list], [one for one in level if isinstance(one, dict)]
        level = [one for each in lists for one in each] + [one for each in objects for one in each.values()]
        if not level:
            return False
    return True


def read_json(path: Path, error: type[AssayError], remedy: str, *, most_bytes: int = _MOST_BYTES) -> Any:
    """The JSON value that a file holds.

    Raises:
        AssayError: of the type `error`, with that remedy; the file cannot be read, or is no JSON.
    """
    return parse_json(read_file(path, error, remedy, most_bytes=most_bytes), path, error, remedy)


def read_json_object(
    path: Path, error: type[AssayError], remedy: str, *, most_bytes: int = _MOST_BYTES
) -> dict[str, Any]:
    """The same of one that must be an object."""
    return parse_json_object(read_file(path, error, remedy, most_bytes=most_bytes), path, error, remedy)


def parse_json(data: bytes, path: object, error: type[AssayError], remedy: str) -> Any:
    """The same of the bytes of a file."""
    if data.startswith(_MARKS):
        raise error(f"{path} begins with a byte-order mark, which readers of JSON refuse", _UNMARKED)
    try:
        return load_json(data.decode())
    except ValueError as exc:
        raise error(f"{path} cannot be read: it is torn or no JSON: {exc}", remedy) from exc


def parse_json_object(data: bytes, path: object, error: type[AssayError], remedy: str) -> dict[str, Any]:
    """The same of one that must be an object."""
    value = parse_json(data, path, error, remedy)
    if not isinstance(value, dict):
        raise error(f"{path} holds a JSON {_KINDS[type(value)]}, not an object", remedy)
    return value


def kept_json(path: Path) -> Any:
    """What a process of this package has left for another; None where nothing can be read."""
    try:
        return read_json(path, AssayError, "")
    except AssayError:
        return None


def keep_json(path: Path, value: Any) -> None:
    """Leave something for another process, which finds it out anew where it could not be written."""
    with contextlib.suppress(OSError):
        write_atomic(path, json.dumps(value))


def repeated_keys(path: Path) -> dict[str, tuple[Any, Any]]:
    """Key that an object of a JSON file gives two different values -> the two; readers disagree on them.

    The file is one that was read before.
    """
    repeated: dict[str, tuple[Any, Any]] = {}

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found and found[key] != value:
                repeated[key] = (found[key], value)
            found[key] = value
        return found

    load_json(path.read_bytes(), object_pairs_hook=note)
    return repeated


_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UNMARKED = "an editor or PowerShell saved it so: save it as UTF-8 without the mark"
_TOO_DEEP = f"it is nested more than {_DEEPEST} deep"
_KINDS = {list: "list", str: "text", int: "number", float: "number", bool: "truth value", type(None): "null"}
