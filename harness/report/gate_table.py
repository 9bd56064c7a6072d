"""The rows of the gate table, ready to be shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from itertools import groupby

from harness.records import Estimate, Outcome, Verdict
from harness.report.details import Details, cell, details, label
from harness.report.headline import SYMBOLS, by_severity
from harness.report.interval_plot import IntervalPlot, draw_interval
from harness.report.text import NOTHING, duration, figure, printable, shorten

_SHOWN = frozenset({
    "gate", "outcome", "reason", "suite", "test", "task", "metric", "kind", "rule", "margin", "limit", "paired",
    "higher_is_better", "estimate", "base", "candidate", "open_because", "n", "population", "method", "confidence",
    "minimum_detectable_effect", "remedy", "slice", "details", "duration_s", "against", "name",
})  # fmt: skip
"""Fields of a verdict that have a place of their own in the report; whatever else it has is told in its details."""


@dataclass(frozen=True)
class GateRow:
    """One gate; every field but `outcome`, `task` and `plot` is text to show as it is."""

    outcome: Outcome
    symbol: str
    name: str
    rule: str
    base: str
    candidate: str
    difference: str
    interval: str
    plot: IntervalPlot | None
    n: str
    detectable: str
    reason: str
    remedy: str
    task: str | None
    facts: tuple[tuple[str, str], ...]
    details: Details


@dataclass(frozen=True)
class SuiteRows:
    """The gates of one suite, failing first."""

    name: str
    rows: tuple[GateRow, ...]
    outcome: Outcome
    summary: str


def suites(verdicts: Iterable[Verdict]) -> list[SuiteRows]:
    """Gates by suite: the suite with the worst gate first, and in it the worst gate first."""
    ordered = sorted(verdicts, key=lambda v: v.suite)
    groups = [
        (name, sorted(group, key=lambda v: (by_severity(v), v.gate)))
        for name, group in groupby(ordered, lambda v: v.suite)
    ]
    groups.sort(key=lambda pair: (by_severity(pair[1][0]), pair[0]))
    return [
        SuiteRows(
            printable(name) or "gates",
            tuple(gate_row(v) for v in group),
            group[0].outcome,
            f"{sum(v.outcome == 'pass' for v in group)} of {len(group)} passed",
        )
        for name, group in groups
    ]


def gate_row(verdict: Verdict) -> GateRow:
    """One verdict as a row."""
    signed = verdict.paired
    facts = (
        ("test", verdict.test),
        ("method", verdict.method),
        ("confidence", f"{verdict.confidence:.0%}" if verdict.estimate else ""),
        ("base", _with_interval(verdict.base)),
        ("candidate", _with_interval(verdict.candidate)),
        ("direction", _direction(verdict)),
        ("took", duration(verdict.duration_s) if verdict.duration_s else ""),
        *(
            (label(f.name), cell(v))
            for f in fields(verdict)
            if f.name not in _SHOWN and (v := getattr(verdict, f.name))
        ),
    )
    return GateRow(
        outcome=verdict.outcome,
        symbol=SYMBOLS[verdict.outcome],
        name=printable(verdict.gate),
        rule=printable(verdict.rule),
        base=figure(verdict.base.value) if verdict.base else NOTHING,
        candidate=figure(verdict.candidate.value) if verdict.candidate else NOTHING,
        difference=_difference(verdict),
        interval=_interval(verdict.estimate, signed=signed),
        plot=draw_interval(verdict),
        n=NOTHING if verdict.n is None else f"{verdict.n:,}",
        detectable=figure(verdict.minimum_detectable_effect),
        reason=shorten(printable(verdict.reason), 1500),
        remedy=shorten(printable(verdict.remedy), 1500),
        task=verdict.task,
        facts=tuple((name, printable(value)) for name, value in facts if value),
        details=details(verdict.details),
    )


def _difference(verdict: Verdict) -> str:
    if verdict.paired and verdict.estimate:
        return figure(verdict.estimate.value, signed=True)
    if verdict.base and verdict.candidate:
        return figure(verdict.candidate.value - verdict.base.value, signed=True)
    return NOTHING


def _interval(estimate: Estimate | None, *, signed: bool) -> str:
    if estimate is None or estimate.low is None or estimate.high is None:
        return ""
    return f"{figure(estimate.low, signed=signed)} to {figure(estimate.high, signed=signed)}"


def _with_interval(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    interval = _interval(estimate, signed=False)
    return figure(estimate.value) + (f" ({interval})" if interval else "")


def _direction(verdict: Verdict) -> str:
    if verdict.metric is None:
        return ""
    return f"{verdict.metric}: {'higher' if verdict.higher_is_better else 'lower'} is better"
