"""The geometry of an interval drawn against its margin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.records import Verdict
from harness.report.text import figure

WIDTH = 190.0
_PAD = 8.0


@dataclass(frozen=True)
class IntervalPlot:
    """Horizontal positions, in pixels from the left of a drawing `WIDTH` wide.

    Attributes:
        value, low, high: the estimate and the ends of its interval.
        margin: the line the interval is judged against; None where the rule has none.
        good: start and end of what keeps the limit.
        zero: the line of no difference, where it is in the picture.
        label: all of it in words, for those who do not see the drawing.
    """

    value: float
    low: float | None
    high: float | None
    margin: float | None
    good: tuple[float, float] | None
    zero: float | None
    label: str


def draw_interval(verdict: Verdict) -> IntervalPlot | None:
    """The drawing of a verdict's estimate; None where it has no finite estimate."""
    estimate = verdict.estimate
    if estimate is None or not _finite(estimate.value):
        return None
    line = limit_line(verdict)
    limits: Sequence[float] = verdict.limit.ends if verdict.limit is not None else ()
    seen = (estimate.value, estimate.low, estimate.high, *limits)
    numbers = [n for n in seen if n is not None and math.isfinite(n)]
    low, high = min(numbers), max(numbers)
    if verdict.paired and min(abs(low), abs(high)) < 2 * (high - low or 1.0):
        low, high = min(low, 0.0), max(high, 0.0)
    span = (high - low) or max(abs(high), 1e-9)
    low, high = low - 0.06 * span, high + 0.06 * span

    def pixel(number: float | None) -> float | None:
        if number is None or math.isnan(number):
            return None
        inside = min(max(number, low), high)
        return round(_PAD + (inside - low) / (high - low) * (WIDTH - 2 * _PAD), 1)

    margin = pixel(line)
    good = None
    if margin is not None:
        least, most = (pixel(end) if math.isfinite(end) else None for end in limits)
        good = (0.0 if least is None else least, WIDTH if most is None else most)
    at_zero = pixel(0.0) if verdict.paired and low <= 0 <= high else None
    dot = pixel(estimate.value) or 0.0
    return IntervalPlot(dot, pixel(estimate.low), pixel(estimate.high), margin, good, at_zero, _label(verdict, line))


def limit_line(verdict: Verdict) -> float | None:
    """The value the interval is judged against, where it can be drawn."""
    return verdict.limit.value if verdict.limit is not None and math.isfinite(verdict.limit.value) else None


def _label(verdict: Verdict, line: float | None) -> str:
    estimate = verdict.estimate
    if estimate is None:
        return ""
    what = "difference" if verdict.paired else "value"
    text = f"{what} {figure(estimate.value, signed=verdict.paired)}"
    if estimate.low is not None and estimate.high is not None:
        text += f", {verdict.confidence:.0%} interval {figure(estimate.low)} to {figure(estimate.high)}"
    return text + (f", margin at {figure(line)}" if line is not None else "")


def _finite(number: float | None) -> bool:
    return number is not None and math.isfinite(number)
