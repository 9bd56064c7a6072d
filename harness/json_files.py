"""JSON objects out of files, with errors for people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.errors import AssayError


def read_json_object(path: Path, error: type[AssayError], remedy: str) -> dict[str, Any]:
    """The JSON object that a file holds.

    Raises:
        AssayError: of the type `error`, with that remedy; the file cannot be read, or holds something else.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as exc:
        raise error(f"{path} is missing", remedy) from exc
    except OSError as exc:
        raise error(f"{path} cannot be read: {exc.strerror}", remedy) from exc
    return parse_json_object(data, path, error, remedy)


def parse_json_object(data: bytes, path: Path, error: type[AssayError], remedy: str) -> dict[str, Any]:
    """The same of the bytes of a file."""
    try:
        value = json.loads(data.decode())
    except (ValueError, RecursionError) as exc:
        raise error(f"{path} cannot be read: it is torn or no JSON: {exc}", remedy) from exc
    if not isinstance(value, dict):
        raise error(f"{path} holds a JSON {_KINDS[type(value)]}, not an object", remedy)
    return value


def repeated_keys(path: Path) -> dict[str, tuple[Any, Any]]:
    """Key that an object of a JSON file gives two different values -> the two; readers disagree on them."""
    repeated: dict[str, tuple[Any, Any]] = {}

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found and found[key] != value:
                repeated[key] = (found[key], value)
            found[key] = value
        return found

    json.loads(path.read_bytes(), object_pairs_hook=note)
    return repeated


_KINDS = {list: "list", str: "text", int: "number", float: "number", bool: "truth value", type(None): "null"}
