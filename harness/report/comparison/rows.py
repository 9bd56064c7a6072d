"""A comparison of runs as rows of text: what the terminal and the HTML page both show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.compare.leaderboard import Leaderboard, LeaderboardEntry
from harness.compare.runs import Cell, Line, Regressions, RunsCompared
from harness.records import Estimate, Verdict
from harness.report.headline import SYMBOLS
from harness.report.standing import standing
from harness.report.text import figure, moment, plural
from harness.report.trade_off import TradeOff, has_estimate, trade_off
from harness.stats import Interval


@dataclass(frozen=True)
class RunRow:
    """A run; gain and forgetting are those of its `TradeOff`."""

    letter: str
    name: str
    id: str
    adapter: str
    profile: str
    started: str
    outcome: str
    gain: str
    forgetting: str


@dataclass(frozen=True)
class CellRow:
    """A gate in a run: outcome and estimate (empty where the run lacks the gate), and the change from the first run."""

    cell: Cell
    outcome: str = ""
    symbol: str = ""
    level: str = "not in this run"
    change: str = ""
    regression: str = ""


@dataclass(frozen=True)
class GateRow:
    """A gate through the runs."""

    gate: str
    rule: str
    cells: tuple[CellRow, ...]


@dataclass(frozen=True)
class RegressionRow:
    """What is worse in a run than in the first, on one task.

    Attributes:
        gate: the first of the gates that say so, and `more` how many others do.
        why: of that gate, and `reason` its verdict's, where it does not pass.
        moved: the gate's metric in the first run and in this one; empty where it has none.
    """

    letter: str
    gate: str
    more: int
    why: str
    reason: str
    moved: str


@dataclass(frozen=True)
class RatingsRows:
    """The models by rating on one task's answers, and a note for each run that is not rated."""

    task: str
    judge: str
    rows: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ComparisonRows:
    """All of it. `names` are the runs' letters, `refusals` are (letter, task, parts that differ).

    `alone` says of the gates that only one run has which those are; they are not among `gates`. `aside` are those that did
    not pass and do not count, and those that a run counts less than the first.
    """

    headline: str
    names: tuple[str, ...]
    runs: tuple[RunRow, ...]
    gates: tuple[GateRow, ...]
    alone: tuple[str, ...]
    aside: tuple[str, ...]
    regressions: tuple[RegressionRow, ...]
    refusals: tuple[tuple[str, str, str], ...]
    ratings: tuple[RatingsRows, ...]


def comparison_rows(compared: RunsCompared) -> ComparisonRows:
    """The rows of a comparison, in the order of its runs and gates; text is as it was stored, not yet made printable."""
    names = letters(len(compared.runs))
    alone = [line for lines in compared.alone.values() for line in lines]
    shown = [line for line in compared.lines if line not in alone]
    return ComparisonRows(
        headline_of(compared),
        names,
        _runs(compared, names),
        tuple(GateRow(one.gate, one.verdict.rule, tuple(map(cell_row, one.cells))) for one in shown),
        tuple(_alone(compared, run, lines, names) for run, lines in sorted(compared.alone.items())),
        tuple(_aside(compared, names)),
        tuple(_regression(one, names) for one in compared.regressed_tasks),
        tuple((names[one.run], one.task, one.parts) for one in compared.refusals),
        tuple(_ratings(compared, one, names) for one in compared.ratings),
    )


def letters(count: int) -> tuple[str, ...]:
    """Short names of runs in order: A, B, C ...; numbers from the 27th on."""
    return tuple(chr(ord("A") + i) if i < 26 else str(i + 1) for i in range(count))


def headline_of(compared: RunsCompared) -> str:
    """The answer in one line."""
    count = len(compared.regressed_tasks)
    told = f"{plural(count, 'regression') if count else 'No regression'} against {compared.runs[0].name}"
    if not count and compared.refusals:
        told += " on what could be compared"
    return told + (f", {plural(len(compared.missing), 'gate')} missing" if compared.missing else "")


def cell_row(cell: Cell) -> CellRow:
    """A gate in one of the runs."""
    verdict = cell.verdict
    if verdict is None:
        return CellRow(cell)
    change = "" if cell.change is None else _with_ends(cell.change, signed=True)
    return CellRow(cell, verdict.outcome, SYMBOLS[verdict.outcome], level(verdict), change, cell.regression)


def level(verdict: Verdict) -> str:
    """`0.817 [0.726, 0.882]`; empty where the gate has no estimate."""
    return "" if verdict.estimate is None else _with_ends(verdict.estimate)


def trade_offs(compared: RunsCompared) -> list[TradeOff]:
    """Gain and forgetting of each run."""
    shared = [[cell.verdict for cell in line.cells if cell.verdict is not None] for line in compared.lines]
    whole = [gates for gates in shared if len(gates) == len(compared.runs) and all(map(has_estimate, gates))]
    return [trade_off([gates[i] for gates in whole]) for i in range(len(compared.runs))]


def _with_ends(estimate: Estimate | Interval, *, signed: bool = False) -> str:
    if estimate.low is None or estimate.high is None:
        return figure(estimate.value, signed=signed)
    value, low, high = (figure(one, signed=signed) for one in (estimate.value, estimate.low, estimate.high))
    return f"{value} [{low}, {high}]"


def _regression(one: Regressions, names: Sequence[str]) -> RegressionRow:
    line, cell = one.found[0]
    before, after = (_own_value(verdict) for verdict in (line.cells[0].verdict, cell.verdict))
    moved = "" if before is None or after is None else f"{line.verdict.metric} {figure(before)} to {figure(after)}"
    return RegressionRow(names[one.run], line.gate, len(one.found) - 1, cell.regression, _reason(cell.verdict), moved)


def _own_value(verdict: Verdict | None) -> float | None:
    """The candidate's own value of a gate's metric."""
    if verdict is None or verdict.metric is None:
        return None
    own = verdict.candidate or (None if verdict.paired else verdict.estimate)
    return None if own is None else own.value


def _alone(compared: RunsCompared, run: int, lines: Sequence[Line], names: Sequence[str]) -> str:
    """`only in A (profile release): 59 gates (forgetting 12, judge 5, safety 42)`."""
    suites = Counter(line.verdict.suite or line.gate.partition("/")[0] for line in lines)
    counted = ", ".join(f"{suite} {count}" for suite, count in sorted(suites.items()))
    profile = compared.runs[run].run.manifest.profile
    return f"only in {names[run]}{f' (profile {profile})' if profile else ''}: {plural(len(lines), 'gate')} ({counted})"


def _aside(compared: RunsCompared, names: Sequence[str]) -> Iterator[str]:
    """`B: forgetting/mmlu/acc/non_inferior is fail, waived by Ada until 31 Dec 2026: mended in 2.1`."""
    for line in compared.lines:
        first = line.cells[0].verdict
        for name, verdict in zip(names, (cell.verdict for cell in line.cells), strict=True):
            if verdict is None:
                continue
            if verdict.outcome != "pass" and not verdict.counts:
                yield f"{name}: {line.gate} is {verdict.outcome}, {standing(verdict)}"
            elif first is not None and verdict.severity == "advisory" != first.severity:
                yield f"{name}: {line.gate} is advisory, and {first.severity} in {names[0]}"


def _reason(verdict: Verdict | None) -> str:
    return "" if verdict is None or verdict.outcome == "pass" else verdict.reason


def _runs(compared: RunsCompared, names: Sequence[str]) -> tuple[RunRow, ...]:
    return tuple(
        RunRow(
            letter=letter,
            name=found.name,
            id=found.run.id,
            adapter=found.run.manifest.adapter.name,
            profile=found.run.manifest.profile,
            started=moment(found.run.manifest.started),
            outcome=found.run.outcome,
            gain=figure(own.gain),
            forgetting=figure(own.forgetting),
        )
        for letter, found, own in zip(names, compared.runs, trade_offs(compared), strict=True)
    )


def _ratings(compared: RunsCompared, one: Leaderboard, names: Sequence[str]) -> RatingsRows:
    def name(entry: LeaderboardEntry) -> str:
        if entry.run is None:
            return entry.name
        found = compared.runs[entry.run]
        return f"{names[entry.run]} {found.run.manifest.adapter.name or found.name}"

    notes = [f"{names[run]} is not rated: {why}" for run, why in one.left_out.items()]
    if one.problem:
        notes.append(f"no ratings: {one.problem}")
    return RatingsRows(one.task, one.judge, tuple((name(s), _rating(s.rating)) for s in one.entries), tuple(notes))


def _rating(rating: Interval) -> str:
    """`1,043 [1,010, 1,081]`; without an interval where it has no width, as the anchor's."""
    if rating.low == rating.high:
        return f"{rating.value:,.0f}"
    return f"{rating.value:,.0f} [{rating.low:,.0f}, {rating.high:,.0f}]"
