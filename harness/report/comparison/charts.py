"""The geometry of a comparison's drawings: each gate through the runs, and gain against forgetting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.compare.runs import Line, RunsCompared
from harness.records import Outcome, Verdict
from harness.report.comparison.text import letters, level
from harness.report.curves import Tick, nice_ticks
from harness.report.interval_plot import limit_line
from harness.report.text import figure, printable

WIDTH, HEIGHT = 300.0, 150.0
FRONT_WIDTH, FRONT_HEIGHT = 560.0, 320.0
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
class TradeOff:
    """What a run won and lost against its base, over the gates that all runs have.

    Attributes:
        gain: mean gain of the gates that ask for one, in units of their metrics.
        forgetting: the largest loss of a gate that tolerates one, as a share of what it tolerates: more than 1 is too
            much. None where there is no such gate.
    """

    gain: float | None
    forgetting: float | None


@dataclass(frozen=True)
class Front:
    """Gain against forgetting; `path` joins the runs that no other beats on both."""

    marks: tuple[Mark, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    limit: float | None
    path: str


def trends(compared: RunsCompared) -> list[Trend]:
    """A drawing for each gate that at least two runs have an estimate for."""
    drawn = (_trend(line) for line in compared.lines)
    return [trend for trend in drawn if trend is not None]


def trade_offs(compared: RunsCompared) -> list[TradeOff]:
    """Gain and forgetting of each run."""
    shared = [
        [cell.verdict for cell in line.cells if cell.verdict is not None and _finite(cell.verdict)]
        for line in compared.lines
    ]
    whole = [verdicts for verdicts in shared if len(verdicts) == len(compared.runs)]
    return [_trade_off([verdicts[i] for verdicts in whole]) for i in range(len(compared.runs))]


def front(compared: RunsCompared) -> Front | None:
    """The drawing of all trade_offs; None where the runs share no gate of either kind."""
    places = [(s.forgetting, s.gain) for s in trade_offs(compared)]
    known = [(x, y) for x, y in places if x is not None and y is not None]
    if len(known) < len(places):
        return None
    xs = nice_ticks(min(0.0, *(x for x, _ in known)), max(1.0, *(x for x, _ in known)), 5)
    ys = nice_ticks(min(0.0, *(y for _, y in known)), max(y for _, y in known), 4)

    def across(x: float) -> float:
        return round(LEFT + (x - xs[0]) / (xs[-1] - xs[0]) * (FRONT_WIDTH - LEFT - RIGHT), 1)

    def up(y: float) -> float:
        return round(FRONT_HEIGHT - 40 - (y - ys[0]) / (ys[-1] - ys[0]) * (FRONT_HEIGHT - 40 - TOP), 1)

    best = sorted(p for p in set(known) if not any(_beats(other, p) for other in known))
    names = letters(len(known))
    marks = tuple(
        Mark(
            across(x),
            up(y),
            names[i],
            _outcome(compared, i),
            f"{names[i]} {printable(compared.runs[i].name)}: gain {figure(y)}, forgetting {figure(x)}",
        )
        for i, (x, y) in enumerate(known)
    )
    path = "".join(f"{'L' if i else 'M'}{across(x)} {up(y)}" for i, (x, y) in enumerate(best))
    x_ticks, y_ticks = (Tick(across(x), f"{x:g}") for x in xs), (Tick(up(y), f"{y:g}") for y in ys)
    return Front(marks, tuple(x_ticks), tuple(y_ticks), across(1.0), path)


def _trend(line: Line) -> Trend | None:
    seen = [
        (i, cell.verdict) for i, cell in enumerate(line.cells) if cell.verdict is not None and _finite(cell.verdict)
    ]
    if len(seen) < 2:
        return None
    margin = limit_line(line.verdict)
    numbers = [n for _, v in seen for n in _numbers(v)] + ([] if margin is None else [margin])
    ticks = nice_ticks(min(numbers), max(numbers), 3)
    names, step = letters(len(line.cells)), (WIDTH - LEFT - RIGHT) / len(line.cells)

    def up(value: float | None) -> float | None:
        if value is None or not math.isfinite(value):
            return None
        return round(HEIGHT - BOTTOM - (value - ticks[0]) / (ticks[-1] - ticks[0]) * (HEIGHT - BOTTOM - TOP), 1)

    marks = tuple(
        Mark(
            round(LEFT + step * (i + 0.5), 1),
            up(v.estimate.value) or 0.0,
            names[i],
            v.outcome,
            f"{names[i]}: {v.outcome}, {level(v)}",
            up(v.estimate.low),
            up(v.estimate.high),
        )
        for i, v in seen
        if v.estimate is not None
    )
    return Trend(printable(line.gate), marks, tuple(Tick(up(y) or 0.0, f"{y:g}") for y in ticks), up(margin))


def _trade_off(verdicts: Sequence[Verdict]) -> TradeOff:
    asked = [(v.required_gain, _gain(v)) for v in verdicts]
    gains = [gain for required, gain in asked if required is not None and required >= 0]
    losses = [gain / required for required, gain in asked if required is not None and required < 0]
    return TradeOff(sum(gains) / len(gains) if gains else None, max(losses) if losses else None)


def _gain(verdict: Verdict) -> float:
    value = verdict.estimate.value if verdict.estimate is not None else math.nan
    return value if verdict.higher_is_better else -value


def _beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] <= other[0] and one[1] >= other[1]


def _outcome(compared: RunsCompared, run: int) -> Outcome:
    outcome = compared.runs[run].run.outcome
    return "inconclusive" if outcome == "incomplete" else outcome


def _finite(verdict: Verdict) -> bool:
    return verdict.estimate is not None and math.isfinite(verdict.estimate.value)


def _numbers(verdict: Verdict) -> list[float]:
    estimate = verdict.estimate
    ends = [] if estimate is None else [estimate.value, estimate.low, estimate.high]
    return [end for end in ends if end is not None and math.isfinite(end)]
