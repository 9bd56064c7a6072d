"""The judge's verdicts on a task's answers, out of the sample rows of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.config.budget import Tokens
from harness.judging.judge import Judged, Opinion, Rated
from harness.judging.questions import Duel
from harness.judging.replies import Reading
from harness.runs.schema import Sample


def stored_judgements(
    rows: Iterable[Sample], duels: Mapping[str, Duel], *, opponent: str = "base"
) -> dict[str, Judged | Rated]:
    """The inverse of `judged_rows` and `rated_rows` for candidate (`a`) against an opponent (`b`).

    Args:
        rows: of role `judge`, of one task.
        duels: by item id; rows about other items, or against another opponent, are passed over.
        opponent: what it was called: `base`, `baseline` or `reference`.

    Returns:
        Item id -> what was said; items of which a row is missing are left out.
    """
    said: dict[str, dict[str, Sample]] = {}
    for row in rows:
        item, _, side = row.item_id.rpartition("/")
        said.setdefault(item, {})[side] = row
    judged: dict[str, Judged | Rated] = {}
    for item, duel in duels.items():
        found = said.get(item, {})
        if {"candidate-first", f"{opponent}-first"} <= found.keys():
            first, second = _opinion(found["candidate-first"]), _opinion(found[f"{opponent}-first"], flipped=True)
            judged[item] = Judged(duel, first, second)
        elif {"candidate", opponent} <= found.keys():
            judged[item] = Rated(duel, _opinion(found["candidate"]), _opinion(found[opponent]))
    return judged


def _opinion(row: Sample, *, flipped: bool = False) -> Opinion:
    """What the judge said; `flipped` where the score counts for the answer shown second."""
    weights = row.parsed if isinstance(row.parsed, Mapping) else {}
    label = max(weights, key=lambda option: weights[option]) if weights else row.parsed
    value = row.scores.get("preference", row.scores.get("rating"))
    return Opinion(
        prompt=row.prompt,
        digest=row.prompt_digest,
        text=row.answer,
        reading=Reading(label, 1 - value if flipped and value is not None else value, weights),
        tokens=Tokens(row.prompt_tokens, row.completion_tokens),
        stop_reason=row.stop_reason,
        latency_s=row.latency_s,
        cached=row.cached,
    )
