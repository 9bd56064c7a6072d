"""The page people fill in: one HTML file that works from disk, keeps what they say, and does not tell who answered."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from harness.annotate.answers import ANSWERS_SCHEMA, LONGEST_COMMENT, RATINGS
from harness.annotate.review import BlindPair, Review, asked
from harness.report.embed import script_json
from harness.report.page import asset, content_policy, environment
from harness.report.text import printable

_WORDS = ("useless", "poor", "fair", "good", "could not be better")


def render_page(review: Review, *, sensitive: bool = False) -> str:
    """The page as one HTML document that needs no network.

    Args:
        sensitive: veil the texts until they are asked for.
    """
    style, script = asset("report.css") + asset("annotate.css"), asset("annotate.js")
    document = {
        "head": {
            "schema": ANSWERS_SCHEMA,
            "page": review.page,
            "run": review.run,
            "task": review.task,
            "seed": review.seed,
            "limit": review.limit,
        },
        "pairs": [_pair(blind) for blind in review.shown],
    }
    template = environment().get_template("annotate.html.j2")
    return template.render(
        task=review.task,
        page=review.page,
        count=len(review.shown),
        ratings=list(zip(RATINGS, _WORDS, strict=True)),
        longest_comment=LONGEST_COMMENT,
        sensitive=sensitive,
        island=Markup(script_json(document)),
        style=Markup(style),
        script=Markup(script),
        policy=content_policy(style, script),
    )


def _pair(blind: BlindPair) -> dict[str, Any]:
    """What the page shows of a pair; where the two had other conversations before, each has its own."""
    first, second = blind.sides
    shared = blind.pair.same_prompt
    return {
        "key": blind.key,
        "prompt": printable(asked(first)) if shared else None,
        "sides": [
            {"before": None if shared else printable(asked(side)), "answer": printable(side.answer)}
            for side in (first, second)
        ],
    }
