"""One self-contained HTML file out of runs held against the first of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from markupsafe import Markup

from harness.compare.flips import Flip, Flips
from harness.compare.runs import Cell, RunsCompared
from harness.records import Estimate, Limit, Verdict
from harness.report import interval_plot as whisker
from harness.report.comparison import charts as compare_charts
from harness.report.comparison.text import (
    change_text,
    headline_of,
    left_out_of,
    letters,
    level,
    rating_text,
    standing_name,
)
from harness.report.details import cell as shown
from harness.report.facts import sensitive_tasks
from harness.report.headline import SYMBOLS
from harness.report.interval_plot import IntervalPlot
from harness.report.page import asset, content_policy, environment
from harness.report.text import figure, moment, printable, shorten

_LONGEST = 1_500


@dataclass(frozen=True)
class RunRow:
    """A run in the table of runs; every field is text to show as it is."""

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
class CellView:
    """A gate in a run: its verdict, and the change from the first run with its drawing."""

    outcome: str
    symbol: str
    level: str
    change: str
    whisker: IntervalPlot | None
    regression: str


@dataclass(frozen=True)
class FlipView:
    """An item that flipped; texts are None where its task's are not to meet the eye unasked."""

    item: str
    prompt: str | None
    target: str | None
    before: str | None
    after: str | None


@dataclass(frozen=True)
class FlipGroup:
    """The flips of a metric in one direction."""

    title: str
    count: int
    flips: tuple[FlipView, ...]


@dataclass(frozen=True)
class RatingsView:
    """The models by rating on one task's answers."""

    task: str
    judge: str
    rows: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def render_comparison(compared: RunsCompared) -> str:
    """The comparison as one HTML document that needs no network and runs no script."""
    style = asset("report.css") + asset("compare.css")
    names = letters(len(compared.runs))
    return (
        environment()
        .get_template("compare.html.j2")
        .render(
            headline=headline_of(compared),
            tone="fail" if compared.regressions else "pass",
            runs=_runs(compared),
            names=names,
            lines=[
                (printable(line.gate), printable(line.verdict.rule), [_cell(c) for c in line.cells])
                for line in compared.lines
            ],
            regressions=[
                (names[_index(compared, found.run.id)], line.gate, cell.regression)
                for found, line, cell in compared.regressions
            ],
            refusals=[(names[refusal.run], refusal.task, refusal.parts) for refusal in compared.refusals],
            ratings=_ratings(compared),
            trends=compare_charts.trends(compared),
            front=compare_charts.front(compared),
            chart=compare_charts,
            flips=[group for flips in compared.flips for group in _groups(flips, compared)],
            whisker_width=whisker.WIDTH,
            style=Markup(style),
            policy=content_policy(style),
        )
    )


def _runs(compared: RunsCompared) -> list[RunRow]:
    standings = compare_charts.trade_offs(compared)
    rows = zip(letters(len(standings)), compared.runs, standings, strict=True)
    return [
        RunRow(
            letter,
            printable(found.name),
            printable(found.run.id),
            printable(found.run.manifest.adapter.name),
            shown(found.run.manifest.profile),
            moment(found.run.manifest.started),
            found.run.outcome,
            figure(standing.gain),
            figure(standing.forgetting),
        )
        for letter, found, standing in rows
    ]


def _ratings(compared: RunsCompared) -> list[RatingsView]:
    return [
        RatingsView(
            printable(one.task),
            printable(one.judge),
            tuple((standing_name(compared, s), rating_text(s.rating)) for s in one.standings),
            tuple(left_out_of(compared, one)),
        )
        for one in compared.ratings
    ]


def _index(compared: RunsCompared, run_id: str) -> int:
    return next(i for i, found in enumerate(compared.runs) if found.run.id == run_id)


def _cell(cell: Cell) -> CellView:
    verdict = cell.verdict
    if verdict is None:
        return CellView("", "", "not in this run", "", None, "")
    return CellView(
        verdict.outcome,
        SYMBOLS[verdict.outcome],
        level(verdict),
        change_text(cell.change),
        _change_whisker(cell, verdict),
        cell.regression,
    )


def _change_whisker(cell: Cell, verdict: Verdict) -> IntervalPlot | None:
    """The change from the first run, drawn against the loss that is tolerated."""
    if cell.change is None:
        return None
    estimate = Estimate(cell.change.value, cell.change.low, cell.change.high)
    limit = None if cell.allowed is None else Limit(-cell.allowed).of_metric(verdict.higher_is_better)
    return whisker.whisker(replace(verdict, paired=True, limit=limit, estimate=estimate))


def _groups(flips: Flips, compared: RunsCompared) -> list[FlipGroup]:
    veiled = any(flips.task in sensitive_tasks(found.run.manifest) for found in compared.runs)
    name = printable(f"{flips.task}/{flips.metric}")
    return [
        FlipGroup(f"{name}: {word}", count, tuple(_flip(flip, veiled) for flip in found))
        for word, count, found in (("lost", flips.lost_count, flips.lost), ("gained", flips.gained_count, flips.gained))
        if count
    ]


def _flip(flip: Flip, veiled: bool) -> FlipView:
    if veiled:
        return FlipView(printable(flip.item_id), None, None, None, None)
    texts: Mapping[str, str] = {
        name: shorten(printable(text), _LONGEST)
        for name, text in (
            ("prompt", flip.prompt),
            ("target", shown(flip.target)),
            ("before", flip.before),
            ("after", flip.after),
        )
    }
    return FlipView(printable(flip.item_id), **texts)
