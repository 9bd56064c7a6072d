"""What an adapter won and what it cost: gain and forgetting of runs, and the picture of the one against the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from harness.records import Outcome, RunOutcome, Verdict
from harness.report.curves import LEFT, RIGHT, TOP, Scale, Tick, nice_ticks, ticks
from harness.report.text import figure
from harness.runs.run import Run, earlier_runs

WIDTH, HEIGHT, BOTTOM = 290.0, 215.0, 40.0
_WORST, _BEST = 3.0, -1.0  # shares of what is tolerated; a point beyond stands at the edge
_EARLIER = 8


@dataclass(frozen=True)
class TradeOff:
    """What a run won and lost against its base.

    Attributes:
        gain: mean gain of the gates that ask for one, in units of their metrics.
        forgetting: the largest loss of a gate that tolerates one, as a share of what it tolerates: more than 1 is too
            much. None where there is no such gate.
    """

    gain: float | None
    forgetting: float | None


@dataclass(frozen=True)
class Mark:
    """A run in a drawing: its place in pixels, the ends of its interval where it has one, and what hovering shows.

    Attributes:
        role: `this`, `release` or `earlier` where one of the runs is the matter, else empty.
    """

    x: float
    y: float
    letter: str
    outcome: Outcome
    title: str
    low: float | None = None
    high: float | None = None
    role: str = ""


@dataclass(frozen=True)
class Front:
    """Gain against forgetting; `path` joins the runs that no other beats on both."""

    marks: tuple[Mark, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    limit: float
    path: str
    width: float
    height: float
    frame: tuple[float, float, float, float]
    """left, top, right, bottom"""


@dataclass(frozen=True)
class Placed:
    """A run to be drawn."""

    letter: str
    name: str
    outcome: RunOutcome
    trade_off: TradeOff
    role: str = ""


def trade_off(verdicts: Sequence[Verdict]) -> TradeOff:
    """Gain and forgetting over gates that rest on numbers."""
    asked = [(v.required_gain, _gain(v)) for v in verdicts]
    gains = [gain for required, gain in asked if required is not None and required >= 0]
    losses = [gain / required for required, gain in asked if required is not None and required < 0]
    return TradeOff(sum(gains) / len(gains) if gains else None, max(losses) if losses else None)


def has_estimate(verdict: Verdict) -> bool:
    """Whether the verdict rests on a finite number."""
    return verdict.estimate is not None and math.isfinite(verdict.estimate.value)


def draw_front(placed: Sequence[Placed], *, width: float, height: float) -> Front | None:
    """The drawing; None where a run lacks gain or forgetting."""
    known = [(one, one.trade_off.forgetting, one.trade_off.gain) for one in placed]
    places = [(min(max(x, _BEST), _WORST), y) for _, x, y in known if x is not None and y is not None]
    if not places or len(places) < len(known):
        return None
    xs = nice_ticks(min(0.0, *(x for x, _ in places)), max(1.0, *(x for x, _ in places)), 5)
    ys = nice_ticks(min(0.0, *(y for _, y in places)), max(0.0, *(y for _, y in places)), 4)
    across, up = Scale(xs[0], xs[-1], LEFT, width - RIGHT), Scale(ys[0], ys[-1], height - BOTTOM, TOP)
    best = sorted(p for p in set(places) if not any(_beats(other, p) for other in places))
    marks = tuple(
        Mark(
            across(x),
            up(y),
            one.letter if not one.letter or lost is None or lost <= _WORST else f"{one.letter}, {lost:,.0f} times",
            "inconclusive" if one.outcome == "incomplete" else one.outcome,
            f"{one.name}: gain {figure(gain)}, forgetting {figure(lost)}",
            role=one.role,
        )
        for (x, y), (one, lost, gain) in zip(places, known, strict=True)
    )
    path = "".join(f"{'L' if i else 'M'}{across(x)} {up(y)}" for i, (x, y) in enumerate(best))
    frame = (LEFT, TOP, width - RIGHT, height - BOTTOM)
    return Front(marks, ticks(xs, across), ticks(ys, up), across(1.0), path, width, height, frame)


def front_of(run: Run) -> Front | None:
    """A run among the earlier ones of its store, the release it was held against marked; None without a trade-off."""
    own = {v.name or v.gate: v for v in run.verdicts if not v.against and _is_traded(v)}
    mine = Placed("this run", "this run", run.outcome, trade_off(list(own.values())), "this")
    placed = []
    for earlier in islice(_earlier(run), _EARLIER):
        theirs = {v.name or v.gate: v for v in earlier.verdicts if _is_traded(v)}
        if not own.keys() <= theirs.keys():
            continue  # another question was asked of it
        is_release = earlier.id == run.manifest.baseline.run
        found = trade_off([theirs[name] for name in own])
        name = f"release {run.manifest.baseline.name}" if is_release else earlier.id
        placed.append(
            Placed(
                "release" if is_release else "", name, earlier.outcome, found, "release" if is_release else "earlier"
            )
        )
    return draw_front([*placed, mine], width=WIDTH, height=HEIGHT)


def _earlier(run: Run) -> list[Run]:
    """The release first, then the last runs before this one, the newest first."""
    by_time = earlier_runs(run)
    release = [one for one in by_time if one.id == run.manifest.baseline.run]
    return [*release, *(one for one in reversed(by_time) if one not in release)]


def _is_traded(verdict: Verdict) -> bool:
    return has_estimate(verdict) and verdict.required_gain is not None


def _gain(verdict: Verdict) -> float:
    value = verdict.estimate.value if verdict.estimate is not None else math.nan
    return value if verdict.higher_is_better else -value


def _beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] <= other[0] and one[1] >= other[1]
