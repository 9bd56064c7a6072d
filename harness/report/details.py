"""Any JSON object as facts and tables for people: the details of a verdict, the manifest of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.report.text import NOTHING, figure, printable, shorten

_MAX_ROWS = 200
_MAX_TEXT = 4000


@dataclass(frozen=True)
class Table:
    """A table with a title; the first cell of each row is its header."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int = 0


@dataclass(frozen=True)
class Details:
    """Name-value facts, and what had rows and columns."""

    facts: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]


def details(value: Mapping[str, Any]) -> Details:
    """Lay out a JSON object: scalars and flat lists become facts, nested objects and lists of objects tables.

    What is below `slices` is laid out as if it stood beside it.
    """
    facts, tables = [], []
    slices = value.get("slices")
    beside = slices if isinstance(slices, Mapping) else {}
    rest = {key: item for key, item in value.items() if item is not beside}
    for key, item in (*beside.items(), *rest.items()):
        table = _table(label(key), item)
        if table is None:
            facts.append((label(key), cell(item)))
        elif table.rows:
            tables.append(table)
    return Details(tuple(facts), tuple(tables))


def label(key: object) -> str:
    """A key as a person would write it: `peak_memory_gib` is `peak memory gib`."""
    return printable(str(key)).replace("_", " ")


def cell(value: Any) -> str:
    """A value in one table cell."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return figure(value)
    if isinstance(value, str):
        return shorten(printable(value), _MAX_TEXT)
    if isinstance(value, Sequence) and all(not isinstance(item, Mapping | list | tuple) for item in value):
        return shorten(", ".join(cell(item) for item in value), _MAX_TEXT) or "none"
    return shorten(printable(json.dumps(value, ensure_ascii=False, default=str)), _MAX_TEXT)


def _table(title: str, value: Any) -> Table | None:
    if isinstance(value, Mapping):
        if value and all(isinstance(row, Mapping) for row in value.values()):
            return _rows(title, [{"": key, **row} for key, row in value.items()])
        rows = tuple((label(key), cell(item)) for key, item in value.items())
        return Table(title, (), rows[:_MAX_ROWS], max(0, len(rows) - _MAX_ROWS))
    if isinstance(value, list | tuple) and value and all(isinstance(row, Mapping) for row in value):
        return _rows(title, value)
    return None


def _rows(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    body = tuple(tuple(cell(row.get(column)) for column in columns) for row in rows[:_MAX_ROWS])
    return Table(title, tuple(label(column) for column in columns), body, max(0, len(rows) - _MAX_ROWS))
