"""The geometry of training curves: panels with axes, lines and hover points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.report.text import figure
from harness.runs.codec import number

WIDTH, HEIGHT = 360.0, 210.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 10.0, 10.0, 30.0
_MAX_HOVER_POINTS = 150

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
    """One chart. `missing` names the steps whose value is NaN or infinite: divergence must not look like a gap."""

    title: str
    unit: str
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    missing: str


def panels(training: Mapping[str, Any] | None) -> list[Panel]:
    """The charts of a training log; quantities that were never logged have none."""
    points = list((training or {}).get("points") or [])
    drawn = (_panel(title, unit, series, points) for title, unit, series in _PANELS)
    return [panel for panel in drawn if panel is not None]


def _panel(
    title: str, unit: str, series: Sequence[tuple[str, str]], points: Sequence[Mapping[str, Any]]
) -> Panel | None:
    data = {
        name: [(float(p["step"]), y) for p in points if (y := number(p.get(key))) is not None] for key, name in series
    }
    finite = [(x, y) for rows in data.values() for x, y in rows if math.isfinite(y)]
    if not finite:
        return None
    first, last = min(x for x, _ in finite), max(x for x, _ in finite)
    ys = nice_ticks(min(0.0, *(y for _, y in finite)), max(y for _, y in finite), 4)
    across, up = Scale(first, last, LEFT, WIDTH - RIGHT), Scale(ys[0], ys[-1], HEIGHT - BOTTOM, TOP)
    wild = [f"{name} at step {x:g}" for name, rows in data.items() for x, y in rows if not math.isfinite(y)]
    return Panel(
        title,
        unit,
        tuple(_line(name, rows, across, up) for name, rows in data.items() if rows),
        tuple(Tick(across(x), f"{x:g}") for x in nice_ticks(first, last, 5) if first <= x <= last),
        tuple(Tick(up(y), _tick_label(y)) for y in ys),
        ", ".join(wild[:5]) + (f" and {len(wild) - 5} more" if len(wild) > 5 else ""),
    )


def _line(name: str, rows: Sequence[tuple[float, float]], across: Scale, up: Scale) -> Line:
    path, pen_down = [], False
    for x, y in rows:
        if math.isfinite(y):
            path.append(f"{'L' if pen_down else 'M'}{across(x)} {up(y)}")
        pen_down = math.isfinite(y)
    drawn = [(x, y) for x, y in rows if math.isfinite(y)]
    stride = math.ceil(len(drawn) / _MAX_HOVER_POINTS) or 1
    hover = tuple(Point(across(x), up(y), f"step {x:g}: {name} {_exact(y)}") for x, y in drawn[::stride])
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


def _tick_label(value: float) -> str:
    return f"{value:.0e}".replace("e-0", "e-") if value and abs(value) < 0.001 else f"{value:g}"


def _exact(value: float) -> str:
    return f"{value:.2e}" if value and abs(value) < 0.001 else figure(value)
