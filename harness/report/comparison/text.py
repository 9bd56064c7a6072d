"""The comparison of runs on a terminal: concerns down, runs across, and the answer last where the eye is."""

from __future__ import annotations

from collections.abc import Iterator

from harness.compare.runs import RunsCompared
from harness.report.comparison.rows import CellRow, ComparisonRows, comparison_rows
from harness.report.comparison.strip import RunCell
from harness.report.headline import SYMBOLS
from harness.report.text import NOTHING, one_line, printable, table_text

_DELTA = "\u0394"


def render_text(compared: RunsCompared, *, gates: bool = False) -> str:
    """The whole of it, ending in the answer.

    Args:
        gates: with every gate that the runs share.
    """
    rows = comparison_rows(compared)
    runs = [
        (
            one.letter,
            one.name if one.name == one.id else f"{one.name} ({one.id})",
            one.adapter,
            one.started,
            one.outcome,
        )
        for one in rows.runs
    ]
    tables = [table_text(runs), "", table_text(_concerns(rows)), ""]
    if gates:
        tables += [table_text(_gates(rows)), ""]
    return "\n".join([*tables, *_ratings(rows), *_notes(rows), *_regressions(rows), printable(rows.why), rows.headline])


def _concerns(rows: ComparisonRows) -> list[tuple[str, ...]]:
    """A row a concern: outcomes and the number that stands for it, how far it moved, and what the number is."""
    moved = f"{_DELTA} {rows.names[0]} to {rows.names[-1]}"
    table = [("", *rows.names, moved, "")]
    for one in rows.strip:
        if any(cell.outcome for cell in one.cells):
            about = ", ".join(filter(None, (one.about, one.flips)))
            worse = "  REGRESSED" if one.tone == "worse" else ""
            table.append((one.title, *map(_cell, one.cells), f"{one.change or NOTHING}{worse}", about))
    return table


def _cell(cell: RunCell) -> str:
    return f"{SYMBOLS[cell.outcome]} {cell.level or cell.outcome}" if cell.outcome else NOTHING


def _gates(rows: ComparisonRows) -> list[tuple[str, ...]]:
    """Two rows a gate: its estimates, and under them the paired changes from the first run."""
    table: list[tuple[str, ...]] = [("gate", *rows.names)]
    for one in (gate for group in rows.groups for gate in group.gates):
        table.append((one.gate, *(f"{cell.symbol} {cell.level or cell.outcome}" for cell in one.cells)))
        changes = [_change(cell) for cell in one.cells]
        if any(changes):
            table.append((f"  {one.rule}", *changes))
    return table


def _change(cell: CellRow) -> str:
    parts = (f"{_DELTA} {cell.change}" if cell.change else "", "REGRESSED" if cell.regression else "")
    return "  ".join(filter(None, parts))


def _ratings(rows: ComparisonRows) -> Iterator[str]:
    """The models by rating, for each task that was judged."""
    for one in rows.ratings:
        yield f"Elo by {printable(one.task)}, judged by {printable(one.judge)}"
        if one.rows:
            yield table_text([(f"  {name}", rating) for name, rating in one.rows])
        yield from (f"  {printable(note)}" for note in one.notes)
        yield ""


def _notes(rows: ComparisonRows) -> Iterator[str]:
    """What was not held against each other, and why."""
    notes = [*([rows.not_shared] if rows.not_shared else []), *rows.aside, *rows.refusals]
    yield from map(printable, notes)
    if notes:
        yield ""


def _regressions(rows: ComparisonRows) -> Iterator[str]:
    for one in rows.regressions:
        found = f" {printable(one.found)}" if one.found else ""
        reason = f": {one_line(one.reason)}" if one.reason else ""
        more = f", and {one.more} more on the task" if one.more else ""
        yield f"REGRESSION in {one.letter}: {one.title}{found}, {one.why} ({printable(one.gate)}{more}){reason}"
