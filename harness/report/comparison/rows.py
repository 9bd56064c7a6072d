"""A comparison of runs as rows of text, in the words of a run's report: what the terminal and the page both show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.compare.history import own_value
from harness.compare.leaderboard import Leaderboard, LeaderboardEntry
from harness.compare.runs import Cell, Line, Regressions, RunsCompared
from harness.records import Estimate, RunOutcome, Verdict
from harness.report.comparison.beside import aside, not_shared, refusals
from harness.report.comparison.movement import by_run, change_of
from harness.report.comparison.sentence import sentence
from harness.report.comparison.strip import ConcernRow, concern_rows
from harness.report.concerns import concern_of
from harness.report.findings import subject
from harness.report.headline import SYMBOLS
from harness.report.text import NOTHING, figure, moment, plural
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
    outcome: RunOutcome
    gain: str
    forgetting: str


@dataclass(frozen=True)
class CellRow:
    """A gate in a run: outcome and estimate (empty where the run lacks the gate), and the change from the first run."""

    cell: Cell
    outcome: str = ""
    symbol: str = NOTHING
    level: str = "not in this run"
    change: str = ""
    regression: str = ""


@dataclass(frozen=True)
class GateRow:
    """A gate through the runs; `title` and `found` are its subject and its numbers in plain words."""

    gate: str
    title: str
    found: str
    rule: str
    cells: tuple[CellRow, ...]

    @property
    def is_worse(self) -> bool:
        return any(cell.regression for cell in self.cells)


@dataclass(frozen=True)
class GateGroup:
    """The gates about one concern, those that got worse first."""

    concern: ConcernRow
    gates: tuple[GateRow, ...]


@dataclass(frozen=True)
class RegressionRow:
    """What is worse in a run than in the first, on one task.

    Attributes:
        title, found: what got worse in words, and its numbers; `gate` is what the first gate that says so is called.
        more: how many others do.
        why: of that gate, and `reason` its verdict's, where it does not pass.
    """

    letter: str
    gate: str
    title: str
    found: str
    more: int
    why: str
    reason: str


@dataclass(frozen=True)
class RatingsRows:
    """The models by rating on one task's answers, and a note for each run that is not rated."""

    task: str
    judge: str
    rows: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ComparisonRows:
    """All of it. `names` are the runs' letters, `refusals` say what was not compared, a line for each cause.

    `not_shared` says in one line which gates not every run has; those of one run alone are not among `groups`. `aside` are
    those that did not pass and do not count, and those that a run counts less than the first.
    """

    headline: str
    why: str
    names: tuple[str, ...]
    runs: tuple[RunRow, ...]
    strip: tuple[ConcernRow, ...]
    groups: tuple[GateGroup, ...]
    not_shared: str
    aside: tuple[str, ...]
    regressions: tuple[RegressionRow, ...]
    refusals: tuple[str, ...]
    ratings: tuple[RatingsRows, ...]


def comparison_rows(compared: RunsCompared) -> ComparisonRows:
    """The rows of a comparison, in the order of its runs and gates; text is as it was stored, not yet made printable."""
    names = letters(len(compared.runs))
    strip = concern_rows(compared)
    return ComparisonRows(
        headline_of(compared),
        sentence(compared, strip),
        names,
        _runs(compared, names),
        strip,
        _groups(compared, strip),
        not_shared(compared, names),
        tuple(aside(compared, names)),
        tuple(_regression(one, names) for one in compared.regressed_tasks),
        refusals(compared, names),
        tuple(_ratings(compared, one, names) for one in compared.ratings),
    )


def letters(count: int) -> tuple[str, ...]:
    """Short names of runs in order: A, B, C ...; numbers from the 27th on."""
    return tuple(chr(ord("A") + i) if i < 26 else str(i + 1) for i in range(count))


def headline_of(compared: RunsCompared) -> str:
    """The answer in one line."""
    count, names = len(compared.regressed_tasks), letters(len(compared.runs))
    where = ", ".join(sorted({names[one.run] for one in compared.regressed_tasks})) if compared.runs[2:] else ""
    found = f"{plural(count, 'regression')}{f' in {where}' if where else ''}" if count else "No regression"
    told = f"{found} against {compared.runs[0].name}"
    return f"{told} on what could be compared" if not count and compared.refusals else told


def cell_row(cell: Cell) -> CellRow:
    """A gate in one of the runs."""
    verdict = cell.verdict
    if verdict is None:
        return CellRow(cell)
    change = "" if cell.change is None else change_of(cell.change, verdict.metric)
    return CellRow(cell, verdict.outcome, SYMBOLS[verdict.outcome], level(verdict), change, cell.regression)


def level(verdict: Verdict) -> str:
    """`0.817 [0.726, 0.882]`; empty where the gate has no estimate."""
    return "" if verdict.estimate is None else _with_ends(verdict.estimate)


def trade_offs(compared: RunsCompared) -> list[TradeOff]:
    """Gain and forgetting of each run."""
    shared = [[cell.verdict for cell in line.cells if cell.verdict is not None] for line in compared.lines]
    whole = [gates for gates in shared if len(gates) == len(compared.runs) and all(map(has_estimate, gates))]
    return [trade_off([gates[i] for gates in whole]) for i in range(len(compared.runs))]


def _with_ends(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return figure(estimate.value)
    return f"{figure(estimate.value)} [{figure(estimate.low)}, {figure(estimate.high)}]"


def _groups(compared: RunsCompared, strip: Sequence[ConcernRow]) -> tuple[GateGroup, ...]:
    by_concern: dict[str, list[GateRow]] = {}
    for line in compared.shared:
        cells = tuple(map(cell_row, line.cells))
        row = GateRow(line.gate, subject(line.verdict), by_run(line), line.verdict.rule, cells)
        by_concern.setdefault(concern_of(line.verdict), []).append(row)
    return tuple(
        GateGroup(one, tuple(sorted(by_concern[one.name], key=lambda row: not row.is_worse)))
        for one in strip
        if one.name in by_concern
    )


def _regression(one: Regressions, names: Sequence[str]) -> RegressionRow:
    line, cell = one.found[0]
    told = by_run(Line(line.gate, (line.cells[0], cell)))
    return RegressionRow(
        names[one.run],
        line.gate,
        subject(line.verdict),
        told if own_value(line.cells[0].verdict) is not None else "",
        len(one.found) - 1,
        cell.regression,
        _reason(cell.verdict),
    )


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
