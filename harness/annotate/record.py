"""What people said of a run and what it comes to: as `annotations.json`, and as a table on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.annotate.answers import Filled
from harness.annotate.results import Agreement, RaterResult, Results
from harness.report.text import NOTHING, figure, one_line, plural, table_text
from harness.runs.codec import dump_json
from harness.stats import Interval

ANNOTATIONS = "annotations.json"
ANNOTATIONS_SCHEMA = 1
_HEAD = ("rater", "judged", "identical", "won", "tied", "lost", "win rate", "base", "candidate", "difference")
_NAME_WIDTH = 40


def annotations_json(pages: Sequence[Filled], found: Results) -> str:
    """The document: versioned, strict JSON."""
    return (
        dump_json(
            {
                "schema": ANNOTATIONS_SCHEMA,
                "run": found.run,
                "task": found.task,
                "files": [_file(page) for page in pages],
                "standings": found.raters,
                "agreements": found.agreements,
                "judgements": [row for page in pages for row in _rows(page)],
            },
            indent=1,
        )
        + "\n"
    )


def _file(page: Filled) -> dict[str, Any]:
    return {
        "name": page.path.name,
        "digest": page.digest,
        "annotator": page.annotator,
        "page": page.review.page,
        "seed": page.review.seed,
        "limit": page.review.limit,
        "shown": len(page.review.shown),
    }


def _rows(page: Filled) -> list[dict[str, Any]]:
    return [
        {
            "annotator": page.annotator,
            "item": one.pair.id,
            "shown_first": one.first,
            "prefers": one.prefers,
            "base_rating": one.base_rating,
            "candidate_rating": one.candidate_rating,
            "comment": one.comment,
        }
        for one in page.judgements
    ]


def render_table(found: Results) -> str:
    """A line a rater, and one for each two of them."""
    return "\n".join([table_text([_HEAD, *map(_row, found.raters)]), *map(_agreement, found.agreements)])


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


def _agreement(one: Agreement) -> str:
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
