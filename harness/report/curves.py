"""The geometry of training curves: panels with axes, lines and hover points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import some_of
from harness.report.text import figure
from harness.runs.codec import number

WIDTH, HEIGHT = 360.0, 210.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 10.0, 10.0, 30.0
_MAX_HOVER_POINTS = 150

Series = Sequence[tuple[float, float]]

_PANELS: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Loss",
        "nats per token",
        (("loss", "training"), ("train_eval_loss", "training rows"), ("eval_loss", "validation")),
    ),
    ("Gradient norm", "", (("grad_norm", "gradient norm"),)),
    ("Learning rate", "", (("learning_rate", "learning rate"),)),
)


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: its place in pixels and its label."""

    at: float
    label: str


@dataclass(frozen=True)
class Scale:
    """From values between `low` and `high` to pixels between `start` and `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return round(self.start + (value - self.low) / ((self.high - self.low) or 1.0) * (self.end - self.start), 1)


@dataclass(frozen=True)
class Point:
    """A place with the text shown on hover."""

    x: float
    y: float
    title: str


@dataclass(frozen=True)
class Line:
    """One series: an SVG path, broken where a value is not finite, and its hover points."""

    name: str
    path: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Panel:
    """One chart.

    Attributes:
        missing: the steps whose value is NaN or infinite: divergence must not look like a gap.
        mark: a place along x that is pointed out.
    """

    title: str
    unit: str
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    missing: str
    x_label: str = "training step"
    mark: Tick | None = None


def panels(training: Mapping[str, Any] | None) -> list[Panel]:
    """The charts of a training log; quantities that were never logged have none."""
    known = training or {}
    points, summary = list(known.get("points") or []), known.get("summary")
    best = number(summary.get("best_step")) if isinstance(summary, Mapping) else None
    drawn = (_panel(title, unit, series, points, best) for title, unit, series in _PANELS)
    return [panel for panel in drawn if panel is not None]


def _panel(
    title: str,
    unit: str,
    series: Sequence[tuple[str, str]],
    points: Sequence[Mapping[str, Any]],
    best: float | None,
) -> Panel | None:
    data = {
        name: [(float(p["step"]), y) for p in points if (y := number(p.get(key))) is not None] for key, name in series
    }
    mark = (best, f"best: step {best:g}") if best is not None and data.get("validation") else None
    return draw_panel(title, unit, data, "training step", "step", mark)


def draw_panel(
    title: str,
    unit: str,
    data: Mapping[str, Series],
    x_label: str,
    x_name: str,
    mark: tuple[float, str] | None = None,
) -> Panel | None:
    """Series of (x, y) as lines over one pair of axes; None where no value is finite.

    Args:
        x_name: what a point's place is called when it is hovered over: `step 3: loss 0.4`.
        mark: a place along x to be pointed out, and what is said of it.
    """
    finite = [(x, y) for rows in data.values() for x, y in rows if math.isfinite(y)]
    if not finite:
        return None
    first, last = min(x for x, _ in finite), max(x for x, _ in finite)
    ys = nice_ticks(min(0.0, *(y for _, y in finite)), max(y for _, y in finite), 4)
    across, up = Scale(first, last, LEFT, WIDTH - RIGHT), Scale(ys[0], ys[-1], HEIGHT - BOTTOM, TOP)
    wild = [f"{name} at {x_name} {x:g}" for name, rows in data.items() for x, y in rows if not math.isfinite(y)]
    return Panel(
        title,
        unit,
        tuple(_line(name, rows, across, up, x_name) for name, rows in data.items() if rows),
        tuple(Tick(across(x), f"{x:g}") for x in nice_ticks(first, last, 5) if first <= x <= last),
        ticks(ys, up),
        some_of(wild, 5),
        x_label,
        Tick(across(mark[0]), mark[1]) if mark is not None and first <= mark[0] <= last else None,
    )


def _line(name: str, rows: Series, across: Scale, up: Scale, x_name: str) -> Line:
    path, pen_down = [], False
    for x, y in rows:
        if math.isfinite(y):
            path.append(f"{'L' if pen_down else 'M'}{across(x)} {up(y)}")
        pen_down = math.isfinite(y)
    drawn = [(x, y) for x, y in rows if math.isfinite(y)]
    stride = math.ceil(len(drawn) / _MAX_HOVER_POINTS) or 1
    hover = tuple(Point(across(x), up(y), f"{x_name} {x:g}: {name} {_exact(y)}") for x, y in drawn[::stride])
    return Line(name, "".join(path), hover)


# Ticks are rounded to twelve decimals; what varies less is drawn as one value.
_LEAST_SPAN = 1e-9


def nice_ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers from at most `low` to at least `high`, roughly `about` steps of 1, 2 or 5 times a power of ten."""
    span = high - low
    if span < _LEAST_SPAN:
        span = abs(high) if abs(high) > _LEAST_SPAN else 1.0
    raw = span / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    first = math.floor(low / step + 1e-9)
    last = max(math.ceil(high / step - 1e-9), first + 1)
    return [round(i * step, 12) for i in range(first, last + 1)]


def ticks(values: Sequence[float], scale: Scale) -> tuple[Tick, ...]:
    """Marks on an axis at these values."""
    return tuple(Tick(scale(value), _tick_label(value)) for value in values)


def _tick_label(value: float) -> str:
    return f"{value:.0e}".replace("e-0", "e-") if value and abs(value) < 0.001 else f"{value:g}"


def _exact(value: float) -> str:
    return f"{value:.2e}" if value and abs(value) < 0.001 else figure(value)
