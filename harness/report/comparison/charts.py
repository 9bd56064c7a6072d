"""The geometry of a comparison's drawings: each gate through the runs, and gain against forgetting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.compare.runs import Line, RunsCompared
from harness.report.comparison.rows import letters, level, trade_offs
from harness.report.comparison.strip import ConcernRow
from harness.report.curves import Scale, Tick, nice_ticks, ticks
from harness.report.findings import subject
from harness.report.interval_plot import limit_line
from harness.report.trade_off import HEIGHT as FRONT_HEIGHT
from harness.report.trade_off import WIDTH as FRONT_WIDTH
from harness.report.trade_off import Front, Mark, Placed, draw_front, has_estimate

WIDTH, HEIGHT = 300.0, 150.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 14.0, 12.0, 26.0


@dataclass(frozen=True)
class Trend:
    """A gate's estimate through the runs; `margin` is the line it is judged against, `leads` its concern."""

    gate: str
    title: str
    leads: bool
    marks: tuple[Mark, ...]
    y_ticks: tuple[Tick, ...]
    margin: float | None


def trends(compared: RunsCompared, strip: Sequence[ConcernRow]) -> list[Trend]:
    """A drawing for each gate that at least two runs have an estimate for, those in front that stand for a concern."""
    leading = [one.leading.gate for one in strip if one.leading is not None]
    drawn = (_trend(line, leads=line.gate in leading) for line in compared.shared)
    return sorted((trend for trend in drawn if trend is not None), key=lambda trend: not trend.leads)


def front(compared: RunsCompared) -> Front | None:
    """The drawing of all trade-offs; None where the runs share no gate of either kind."""
    named = zip(letters(len(compared.runs)), compared.runs, trade_offs(compared), strict=True)
    placed = [Placed(letter, f"{letter} {found.name}", found.run.outcome, own) for letter, found, own in named]
    return draw_front(placed, width=FRONT_WIDTH, height=FRONT_HEIGHT)


def _trend(line: Line, *, leads: bool) -> Trend | None:
    seen = [
        (i, verdict, verdict.estimate)
        for i, verdict in enumerate(cell.verdict for cell in line.cells)
        if verdict is not None and verdict.estimate is not None and has_estimate(verdict)
    ]
    if len(seen) < 2:
        return None
    margin = limit_line(line.verdict)
    numbers = [n for _, _, found in seen for n in (found.value, found.low, found.high) if n is not None]
    finite = [n for n in (*numbers, *([] if margin is None else [margin])) if math.isfinite(n)]
    marks_up = nice_ticks(min(finite), max(finite), 3)
    names, step = letters(len(line.cells)), (WIDTH - LEFT - RIGHT) / len(line.cells)
    up = Scale(marks_up[0], marks_up[-1], HEIGHT - BOTTOM, TOP)

    def end(value: float | None) -> float | None:
        return up(value) if value is not None and math.isfinite(value) else None

    marks = tuple(
        Mark(
            round(LEFT + step * (i + 0.5), 1),
            up(found.value),
            names[i],
            verdict.outcome,
            f"{names[i]}: {verdict.outcome}, {level(verdict)}",
            end(found.low),
            end(found.high),
        )
        for i, verdict, found in seen
    )
    return Trend(line.gate, subject(line.verdict), leads, marks, ticks(marks_up, up), end(margin))
