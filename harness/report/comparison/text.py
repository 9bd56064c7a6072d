"""The comparison of runs on a terminal: gates down, runs across."""

from __future__ import annotations

from collections.abc import Iterator

from harness.compare.leaderboard import Leaderboard, LeaderboardEntry
from harness.compare.runs import Cell, RunsCompared
from harness.records import Verdict
from harness.report.headline import SYMBOLS
from harness.report.terminal import table_text
from harness.report.text import NOTHING, figure, moment, one_line, plural, printable
from harness.stats import Interval

_DELTA = "\u0394"


def render_text(compared: RunsCompared) -> str:
    """The whole of it, ending in the answer."""
    tables = [_runs(compared), "", table_text(_rows(compared)), "", *_ratings(compared)]
    return "\n".join([*tables, *_refusals(compared), *_answer(compared)])


def letters(count: int) -> list[str]:
    """Short names of runs in order: A, B, C ...; numbers from the 27th on."""
    return [chr(ord("A") + i) if i < 26 else str(i + 1) for i in range(count)]


def headline_of(compared: RunsCompared) -> str:
    """The answer in one line."""
    count = len(compared.regressions)
    told = f"{plural(count, 'regression') if count else 'No regression'} against {compared.runs[0].name}"
    if not count and compared.refusals:
        told += " on what could be compared"
    return told + (f", {plural(len(compared.missing), 'gate')} missing" if compared.missing else "")


def level(verdict: Verdict) -> str:
    """`0.817 [0.726, 0.882]`; empty where the gate has no estimate."""
    estimate = verdict.estimate
    if estimate is None:
        return ""
    if estimate.low is None or estimate.high is None:
        return figure(estimate.value)
    return f"{figure(estimate.value)} [{figure(estimate.low)}, {figure(estimate.high)}]"


def change_text(change: Interval | None) -> str:
    """`+0.012 [-0.010, +0.034]`; empty where there is none."""
    if change is None:
        return ""
    ends = f"{figure(change.low, signed=True)}, {figure(change.high, signed=True)}"
    return f"{figure(change.value, signed=True)} [{ends}]"


def standing_name(compared: RunsCompared, standing: LeaderboardEntry) -> str:
    """`B out/checkpoint-2`; of the base and the reference answers what they are called."""
    if standing.run is None:
        return standing.name
    adapter = compared.runs[standing.run].run.manifest.adapter.name or compared.runs[standing.run].name
    return f"{letters(len(compared.runs))[standing.run]} {printable(adapter)}"


def rating_text(rating: Interval) -> str:
    """`1,043 [1,010, 1,081]`; without an interval where it has no width, as the anchor's."""
    if rating.low == rating.high:
        return f"{rating.value:,.0f}"
    return f"{rating.value:,.0f} [{rating.low:,.0f}, {rating.high:,.0f}]"


def left_out_of(compared: RunsCompared, ratings: Leaderboard) -> list[str]:
    """A sentence for each run that was judged and is not rated, and for what kept all of them from it."""
    names = letters(len(compared.runs))
    told = [f"{names[place]} is not rated: {printable(why)}" for place, why in ratings.left_out.items()]
    return [*told, *([f"no ratings: {printable(ratings.problem)}"] if ratings.problem else [])]


def _runs(compared: RunsCompared) -> str:
    rows = []
    for letter, found in zip(letters(len(compared.runs)), compared.runs, strict=True):
        run = found.run
        name = found.name if found.name == run.id else f"{found.name} ({run.id})"
        started = moment(run.manifest.started)
        rows.append((letter, name, run.manifest.adapter.name, started, run.outcome))
    return table_text(rows)


def _rows(compared: RunsCompared) -> list[tuple[str, ...]]:
    """Two rows a gate: its estimates, and under them the paired changes from the first run."""
    rows: list[tuple[str, ...]] = [("gate", *letters(len(compared.runs)))]
    for line in compared.lines:
        rows.append((line.gate, *(_estimate(cell) for cell in line.cells)))
        changes = [_change(cell) for cell in line.cells]
        if any(changes):
            rows.append((f"  {line.verdict.rule}", *changes))
    return rows


def _estimate(cell: Cell) -> str:
    if cell.verdict is None:
        return f"{NOTHING} not in this run"
    return f"{SYMBOLS[cell.verdict.outcome]} {level(cell.verdict) or cell.verdict.outcome}"


def _change(cell: Cell) -> str:
    told = change_text(cell.change)
    return "  ".join(
        part for part in (f"{_DELTA} {told}" if told else "", "REGRESSED" if cell.regression else "") if part
    )


def _ratings(compared: RunsCompared) -> Iterator[str]:
    """The models by rating, for each task that was judged."""
    for ratings in compared.ratings:
        yield f"Elo by {printable(ratings.task)}, judged by {printable(ratings.judge)}"
        rows = [(f"  {standing_name(compared, one)}", rating_text(one.rating)) for one in ratings.standings]
        if rows:
            yield table_text(rows)
        yield from (f"  {line}" for line in left_out_of(compared, ratings))
        yield ""


def _refusals(compared: RunsCompared) -> Iterator[str]:
    names = letters(len(compared.runs))
    for refusal in compared.refusals:
        task = printable(refusal.task)
        yield f"{names[refusal.run]} and A do not compare on {task}: {printable(refusal.parts)} differ"
    if compared.refusals:
        yield ""


def _answer(compared: RunsCompared) -> Iterator[str]:
    names = letters(len(compared.runs))
    at = {found.run.id: names[i] for i, found in enumerate(compared.runs)}
    for flips in compared.flips:
        metric = f"{printable(flips.task)}/{printable(flips.metric)}"
        yield f"{metric}, A to {names[-1]}: {flips.lost_count:,} lost, {flips.gained_count:,} gained"
    for found, line, cell in compared.regressions:
        verdict = cell.verdict
        reason = f": {one_line(verdict.reason)}" if verdict is not None and verdict.outcome != "pass" else ""
        yield f"REGRESSION in {at[found.run.id]}: {printable(line.gate)}, {cell.regression}{reason}"
    yield headline_of(compared)
