"""The rows of the gate table, ready to be shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from harness.records import Estimate, Outcome, Verdict
from harness.report.concerns import Concern, worst_first
from harness.report.details import Details, cell, details, label
from harness.report.findings import numbers, subject
from harness.report.headline import SYMBOLS
from harness.report.interval_plot import IntervalPlot, draw_interval
from harness.report.slice_bars import SliceBars, slice_bars
from harness.report.standing import standing, word
from harness.report.text import NOTHING, duration, figure, printable, shorten

_SHOWN = frozenset({
    "gate", "outcome", "reason", "suite", "test", "task", "metric", "kind", "rule", "margin", "limit", "paired",
    "higher_is_better", "estimate", "base", "candidate", "open_because", "n", "population", "method", "confidence",
    "minimum_detectable_effect", "remedy", "slice", "details", "duration_s", "against", "name", "severity", "waiver", "noise",
})  # fmt: skip
"""Fields of a verdict that have a place of their own in the report; whatever else it has is told in its details."""
_NAMED_ITEMS = 5


@dataclass(frozen=True)
class GateRow:
    """One gate; every field but `outcome`, `task`, `items`, `plot` and `slices` is text to show as it is.

    Attributes:
        title: what it is about, in plain words; `name` is what it is called.
        found: its numbers in a line.
        anchor: its place in the page.
        word: its outcome, and whether it is waived or advisory; `standing` what that means.
        items: ids of some that were lost or are worst.
    """

    outcome: Outcome
    symbol: str
    word: str
    standing: str
    title: str
    name: str
    found: str
    anchor: str
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
    items: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    slices: tuple[SliceBars, ...]
    details: Details


@dataclass(frozen=True)
class ConcernRows:
    """The gates about one concern, failing first."""

    concern: Concern
    rows: tuple[GateRow, ...]
    summary: str


def anchors(verdicts: Iterable[Verdict]) -> dict[str, str]:
    """Gate -> its place in the page."""
    return {verdict.gate: f"gate-{nth}" for nth, verdict in enumerate(verdicts, 1)}


def gates_by_concern(found: Iterable[Concern], places: Mapping[str, str]) -> list[ConcernRows]:
    """Gates by concern: the concern with the worst gate first, and in it the worst gate first."""
    gated = [one for one in found if one.verdicts]
    gated.sort(key=lambda one: worst_first(one.verdicts[0]))
    return [
        ConcernRows(
            one,
            tuple(gate_row(v, places[v.gate]) for v in one.verdicts),
            f"{len(one.of('pass'))} of {len(one.verdicts)} passed",
        )
        for one in gated
    ]


def gate_row(verdict: Verdict, anchor: str = "") -> GateRow:
    """One verdict as a row."""
    signed = verdict.paired
    slices = slice_bars(verdict.details.get("slices"), verdict.metric, higher_is_better=verdict.higher_is_better)
    facts = (
        ("test", verdict.test),
        ("method", verdict.method),
        ("confidence", f"{verdict.confidence:.0%}" if verdict.estimate else ""),
        ("base", _with_interval(verdict.base)),
        ("candidate", _with_interval(verdict.candidate)),
        ("direction", _direction(verdict)),
        ("noise floor", _noise(verdict)),
        ("severity", "" if verdict.severity == "supporting" else verdict.severity),
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
        word=word(verdict),
        standing=shorten(printable(standing(verdict)), 1500),
        title=subject(verdict),
        name=printable(verdict.gate),
        found=numbers(verdict),
        anchor=anchor,
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
        items=_worst_items(verdict),
        facts=tuple((name, printable(value)) for name, value in facts if value),
        slices=slices,
        details=details({k: v for k, v in verdict.details.items() if k != "slices" or not slices}),
    )


def _worst_items(verdict: Verdict) -> tuple[str, ...]:
    named = verdict.details.get("right_to_wrong") or verdict.details.get("worst_items")
    return tuple(item for item in named[:_NAMED_ITEMS] if isinstance(item, str)) if isinstance(named, list) else ()


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


def _noise(verdict: Verdict) -> str:
    """As in `0.031, above the margin; pets-lora measured twice, 2026-11-30`."""
    if verdict.noise is None:
        return ""
    standing = ", above the margin" if verdict.is_under_noise else ""
    return (
        f"{figure(verdict.noise.floor)}{standing}; {verdict.noise.candidate} measured twice, {verdict.noise.measured}"
    )


def _direction(verdict: Verdict) -> str:
    if verdict.metric is None:
        return ""
    return f"{verdict.metric}: {'higher' if verdict.higher_is_better else 'lower'} is better"
