"""The slices of a gate as bars: how base and candidate fared on each part of the items."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.report.findings import value
from harness.report.text import NOTHING, figure, printable

WIDTH = 160.0
_MOST = 40


@dataclass(frozen=True)
class SliceBar:
    """One part of the items: lengths of its two bars in pixels, and its numbers."""

    name: str
    n: str
    base: str
    candidate: str
    base_bar: float
    candidate_bar: float
    worse: bool
    regressed: str
    adjusted_p: str


@dataclass(frozen=True)
class SliceBars:
    """The parts by one tag, those that lost most first."""

    tag: str
    bars: tuple[SliceBar, ...]
    left_out: int


def slice_bars(slices: object, metric: str | None, *, higher_is_better: bool) -> tuple[SliceBars, ...]:
    """The pictures of `details.slices` of a verdict; what is no table of slices has none."""
    if not isinstance(slices, Mapping):
        return ()
    return tuple(
        _bars(str(tag), parts, metric, higher_is_better)
        for tag, parts in slices.items()
        if isinstance(parts, Mapping) and parts and all(_is_slice(part) for part in parts.values())
    )


def _is_slice(part: object) -> bool:
    return isinstance(part, Mapping) and _finite(part.get("candidate")) is not None


def _bars(tag: str, parts: Mapping[str, Mapping[str, Any]], metric: str | None, higher_is_better: bool) -> SliceBars:
    sizes = [abs(x) for part in parts.values() for key in ("base", "candidate") if (x := _finite(part.get(key)))]
    longest = max((*sizes, *([1.0] if all(size <= 1 for size in sizes) else [])), default=1.0)

    def gain(part: Mapping[str, Any]) -> float:
        change = _finite(part.get("difference"))
        candidate = _finite(part.get("candidate")) or 0.0
        return (change if change is not None else candidate) * (1 if higher_is_better else -1)

    def bar(number: float | None) -> float:
        return 0.0 if number is None else round(abs(number) / longest * WIDTH, 1)

    ordered = sorted(parts.items(), key=lambda pair: gain(pair[1]))
    shown = tuple(
        SliceBar(
            printable(str(name)),
            str(part.get("n", NOTHING)),
            NOTHING if (base := _finite(part.get("base"))) is None else value(base, metric),
            value(_finite(part.get("candidate")) or 0.0, metric),
            bar(base),
            bar(_finite(part.get("candidate"))),
            _finite(part.get("difference")) is not None and gain(part) < 0,
            str(part.get("regressed", "")),
            "" if (p := _finite(part.get("adjusted_p"))) is None else figure(p),
        )
        for name, part in ordered[:_MOST]
    )
    return SliceBars(printable(tag).replace("_", " "), shown, max(0, len(ordered) - _MOST))


def _finite(number: object) -> float | None:
    real = isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
    return float(number) if real and isinstance(number, int | float) else None
