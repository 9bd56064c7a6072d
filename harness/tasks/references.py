"""Gold texts out of rows."""

from __future__ import annotations

import json
from typing import Any

from harness.tasks.records import Record, show


def read_references(record: Record, field: str, value: Any) -> str | list[str]:
    """One gold text, or a list of them; numbers are taken as JSON writes them.

    Raises:
        DataError: the value is something else, or blank.
    """
    if not isinstance(value, list):
        return _reference(record, field, value)
    if not value:
        raise record.error(f"field {field!r} is an empty list", "give at least one gold answer")
    return [_reference(record, f"{field}[{i}]", one) for i, one in enumerate(value)]


def _reference(record: Record, field: str, value: Any) -> str:
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if not isinstance(value, str):
        raise record.error(f"field {field!r} is {show(value)}, not a gold answer", "give a text or a list of texts")
    if not value.strip():
        raise record.error(f"field {field!r} is empty", "fill it in or remove the row")
    return value
