"""The comparison of runs on a terminal: gates down, runs across."""

from __future__ import annotations

from collections.abc import Iterator

from harness.compare.runs import RunsCompared
from harness.report.comparison.rows import CellRow, ComparisonRows, comparison_rows
from harness.report.text import NOTHING, one_line, printable, table_text

_DELTA = "\u0394"


def render_text(compared: RunsCompared) -> str:
    """The whole of it, ending in the answer."""
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
    below = (*map(printable, (*rows.alone, *rows.aside)), *_ratings(rows), *_refusals(rows), *_answer(rows, compared))
    return "\n".join([table_text(runs), "", table_text(_gates(rows)), "", *below])


def _gates(rows: ComparisonRows) -> list[tuple[str, ...]]:
    """Two rows a gate: its estimates, and under them the paired changes from the first run."""
    table: list[tuple[str, ...]] = [("gate", *rows.names)]
    for one in rows.gates:
        table.append((one.gate, *(f"{cell.symbol or NOTHING} {cell.level or cell.outcome}" for cell in one.cells)))
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


def _refusals(rows: ComparisonRows) -> Iterator[str]:
    for letter, task, parts in rows.refusals:
        yield f"{letter} and A do not compare on {printable(task)}: {printable(parts)} differ"
    if rows.refusals:
        yield ""


def _answer(rows: ComparisonRows, compared: RunsCompared) -> Iterator[str]:
    for flips in compared.flips:
        metric = printable(f"{flips.task}/{flips.metric}")
        yield f"{metric}, A to {rows.names[-1]}: {flips.lost_count:,} lost, {flips.gained_count:,} gained"
    for one in rows.regressions:
        reason = f": {one_line(one.reason)}" if one.reason else ""
        more = f" and {one.more} more on the task" if one.more else ""
        moved = f" ({printable(one.moved)})" if one.moved else ""
        yield f"REGRESSION in {one.letter}: {printable(one.gate)}{more}, {one.why}{moved}{reason}"
    yield rows.headline
