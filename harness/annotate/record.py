"""`annotations.json`: what people said of a run, told of the models, and what it comes to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.annotate.answers import Filled
from harness.annotate.results import Results
from harness.runs.codec import dump_json

ANNOTATIONS = "annotations.json"
ANNOTATIONS_SCHEMA = 1


def annotations_json(pages: Sequence[Filled], found: Results) -> str:
    """The document: versioned, strict JSON."""
    return (
        dump_json(
            {
                "schema": ANNOTATIONS_SCHEMA,
                "run": found.run,
                "task": found.task,
                "files": [_file(page) for page in pages],
                "standings": found.standings,
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
