"""How far a gate's metric moved between runs, in the units people say it in."""

from __future__ import annotations

from harness.compare.history import own_value
from harness.compare.runs import Line
from harness.report.findings import change, is_share, value
from harness.report.text import NOTHING, figure
from harness.stats import Interval

ARROW = " \u2192 "


def by_run(line: Line) -> str:
    """`83% → 57%`: the candidates' values run by run; empty where no run has one."""
    values = [own_value(cell.verdict) for cell in line.cells]
    if all(one is None for one in values):
        return ""
    return ARROW.join(NOTHING if one is None else value(one, line.verdict.metric) for one in values)


def change_of(found: Interval, metric: str | None) -> str:
    """`+27 points [+16.0, +39.7]`, or `+0.040 [+0.010, +0.070]` of what is no share."""
    shown = change(found.value, metric)
    if not is_share(metric):
        return f"{shown} [{figure(found.low, signed=True)}, {figure(found.high, signed=True)}]"
    low, high = (f"{100 * end:+.1f}".replace("-", "\u2212") for end in (found.low, found.high))
    return f"{shown} [{low}, {high}]"


def is_better(found: Interval | None, *, higher_is_better: bool) -> bool:
    """Whether the whole interval of a change lies on the better side of none at all."""
    return found is not None and (found.low > 0 if higher_is_better else found.high < 0)
