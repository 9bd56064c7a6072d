"""One self-contained HTML file out of runs held against the first of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup

from harness.compare.flips import Flip
from harness.compare.runs import Cell, RunsCompared
from harness.records import Estimate, Limit
from harness.report import interval_plot
from harness.report.comparison import charts
from harness.report.comparison.rows import comparison_rows
from harness.report.details import cell, label
from harness.report.facts import sensitive_tasks
from harness.report.findings import metric_words
from harness.report.headline import SYMBOLS
from harness.report.interval_plot import IntervalPlot
from harness.report.page import asset, content_policy, environment
from harness.report.text import printable, shorten

_LONGEST = 1_500


@dataclass(frozen=True)
class FlipGroup:
    """The flips of a metric in one direction; `veiled` where their task's texts are not to meet the eye unasked."""

    title: str
    count: int
    flips: tuple[Flip, ...]
    veiled: bool


def render_comparison(compared: RunsCompared) -> str:
    """The comparison as one HTML document that needs no network and runs no script."""
    style = asset("report.css") + asset("compare.css")
    rows = comparison_rows(compared)
    return (
        environment()
        .get_template("compare.html.j2")
        .render(
            **vars(rows),
            tone="fail" if compared.regressions else "pass",
            symbols=SYMBOLS,
            anchors={line.gate: f"gate-{nth}" for nth, line in enumerate(compared.lines, 1)},
            draw_change=draw_change,
            trends=charts.trends(compared, rows.strip),
            front=charts.front(compared),
            chart=charts,
            flips=list(_flips(compared)),
            shown=_shown,
            plot_width=interval_plot.WIDTH,
            style=Markup(style),
            policy=content_policy(style),
        )
    )


def draw_change(of: Cell) -> IntervalPlot | None:
    """The change from the first run, drawn against the loss that is tolerated; None without a change."""
    if of.change is None or of.verdict is None:
        return None
    estimate = Estimate(of.change.value, of.change.low, of.change.high)
    limit = None if of.allowed is None else Limit(-of.allowed).of_metric(of.verdict.higher_is_better)
    return interval_plot.draw_interval(replace(of.verdict, paired=True, limit=limit, estimate=estimate))


def _shown(value: Any) -> str:
    return shorten(printable(value if isinstance(value, str) else cell(value)), _LONGEST)


def _flips(compared: RunsCompared) -> Iterator[FlipGroup]:
    sensitive = frozenset().union(*(sensitive_tasks(found.run.manifest) for found in compared.runs))
    for one in compared.flips:
        veiled = one.task in sensitive
        for word, count, shown in (("lost", one.lost_count, one.lost), ("gained", one.gained_count, one.gained)):
            if count:
                yield FlipGroup(f"{label(one.task)}, {metric_words(one.metric)}: {word}", count, shown, veiled)
