"""What people's judgements come to, on a terminal."""

from __future__ import annotations

from harness.annotate.results import Agreement, RaterResult, Results
from harness.report.text import NOTHING, figure, one_line, plural, table_text
from harness.stats import Interval

_HEAD = ("rater", "judged", "identical", "won", "tied", "lost", "win rate", "base", "candidate", "difference")
_NAME_WIDTH = 40


def render_table(found: Results) -> str:
    """A line a rater, and one for each two of them."""
    return "\n".join([table_text([_HEAD, *map(_row, found.standings)]), *map(_told, found.agreements)])


def _row(one: RaterResult) -> tuple[str, ...]:
    likert = one.likert
    means = (figure(likert.base.value), figure(likert.candidate.value)) if likert else (NOTHING, NOTHING)
    return (
        _name(one.rater),
        *map(str, (one.judged, one.identical, one.tally.wins, one.tally.ties, one.tally.losses)),
        _between(one.win_rate),
        *means,
        _between(likert.difference if likert else None, signed=True),
    )


def _told(one: Agreement) -> str:
    names = f"{_name(one.first)} and {_name(one.second)}"
    if not one.pairs:
        return f"{names} judged none of the same pairs"
    kappa = f"kappa {_between(one.kappa)}" if one.kappa else "kappa is not defined: too few pairs, or all of one label"
    return f"{names} agree on {one.same} of {plural(one.pairs, 'pair')}: {kappa}"


def _between(interval: Interval | None, *, signed: bool = False) -> str:
    if interval is None:
        return NOTHING
    value, low, high = (figure(number, signed=signed) for number in (interval.value, interval.low, interval.high))
    return f"{value} [{low}, {high}]"


def _name(name: str) -> str:
    return one_line(name, _NAME_WIDTH)
