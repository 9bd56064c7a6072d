"""The geometry of a comparison's drawings: each gate through the runs, and gain against forgetting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.compare.runs import Line, RunsCompared
from harness.records import Outcome
from harness.report.comparison.rows import has_estimate, letters, level, trade_offs
from harness.report.curves import Scale, Tick, nice_ticks
from harness.report.interval_plot import limit_line
from harness.report.text import figure

WIDTH, HEIGHT = 300.0, 150.0
FRONT_WIDTH, FRONT_HEIGHT, FRONT_BOTTOM = 560.0, 320.0, 40.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 14.0, 12.0, 26.0


@dataclass(frozen=True)
class Mark:
    """A run in a drawing: its place in pixels, the ends of its interval where it has one, and what hovering shows."""

    x: float
    y: float
    letter: str
    outcome: Outcome
    title: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Trend:
    """A gate's estimate through the runs; `margin` is the line it is judged against."""

    gate: str
    marks: tuple[Mark, ...]
    y_ticks: tuple[Tick, ...]
    margin: float | None


@dataclass(frozen=True)
class Front:
    """Gain against forgetting; `path` joins the runs that no other beats on both."""

    marks: tuple[Mark, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    limit: float
    path: str


def trends(compared: RunsCompared) -> list[Trend]:
    """A drawing for each gate that at least two runs have an estimate for."""
    drawn = (_trend(line) for line in compared.lines)
    return [trend for trend in drawn if trend is not None]


def front(compared: RunsCompared) -> Front | None:
    """The drawing of all trade-offs; None where the runs share no gate of either kind."""
    places = [(one.forgetting, one.gain) for one in trade_offs(compared)]
    known = [(x, y) for x, y in places if x is not None and y is not None]
    if len(known) < len(places):
        return None
    xs = nice_ticks(min(0.0, *(x for x, _ in known)), max(1.0, *(x for x, _ in known)), 5)
    ys = nice_ticks(min(0.0, *(y for _, y in known)), max(y for _, y in known), 4)
    across = Scale(xs[0], xs[-1], LEFT, FRONT_WIDTH - RIGHT)
    up = Scale(ys[0], ys[-1], FRONT_HEIGHT - FRONT_BOTTOM, TOP)
    best = sorted(p for p in set(known) if not any(_beats(other, p) for other in known))
    marks = tuple(
        Mark(
            across(x),
            up(y),
            letter,
            "inconclusive" if found.run.outcome == "incomplete" else found.run.outcome,
            f"{letter} {found.name}: gain {figure(y)}, forgetting {figure(x)}",
        )
        for (x, y), letter, found in zip(known, letters(len(known)), compared.runs, strict=True)
    )
    path = "".join(f"{'L' if i else 'M'}{across(x)} {up(y)}" for i, (x, y) in enumerate(best))
    return Front(marks, _ticks(xs, across), _ticks(ys, up), across(1.0), path)


def _trend(line: Line) -> Trend | None:
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
    ticks = nice_ticks(min(finite), max(finite), 3)
    names, step = letters(len(line.cells)), (WIDTH - LEFT - RIGHT) / len(line.cells)
    up = Scale(ticks[0], ticks[-1], HEIGHT - BOTTOM, TOP)

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
    return Trend(line.gate, marks, _ticks(ticks, up), end(margin))


def _ticks(values: Sequence[float], scale: Scale) -> tuple[Tick, ...]:
    return tuple(Tick(scale(value), f"{value:g}") for value in values)


def _beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] <= other[0] and one[1] >= other[1]
