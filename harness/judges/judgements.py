"""Judgements as the sample rows of a run, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.config.budget import Tokens
from harness.judges.judge import Judged, Opinion, Rated
from harness.judges.parsing import Reading
from harness.records import Sample
from harness.tasks.questions import AnswerPair


def judge_task(task: str) -> str:
    """The name under which judgements of a task's answers are stored."""
    return f"judge:{task}"


def judged_rows(task: str, judged: Sequence[Judged], *, sides: tuple[str, str]) -> list[Sample]:
    """A row for each time the judge was asked; the score is the preference for `a`.

    Args:
        sides: what `a` and `b` are called; an item's id ends in the one that was shown first.
    """
    rows = []
    for one in judged:
        for side, opinion, flipped in ((sides[0], one.a_first, False), (sides[1], one.b_first, True)):
            if opinion is not None:
                value = opinion.reading.value
                preference = value if value is None or not flipped else 1 - value
                rows.append(_row(task, one.duel, f"{side}-first", opinion, {"preference": preference}))
    return rows


def rated_rows(task: str, rated: Sequence[Rated], *, sides: tuple[str, str]) -> list[Sample]:
    """A row for each answer that was rated."""
    return [
        _row(task, one.duel, side, opinion, {"rating": opinion.reading.value})
        for one in rated
        for side, opinion in zip(sides, one.opinions, strict=True)
    ]


def _row(task: str, duel: AnswerPair, suffix: str, opinion: Opinion, scores: dict[str, float | None]) -> Sample:
    question, reading = duel.question, opinion.reading
    parsed: Any = reading.label
    if reading.weights:
        parsed = {option: round(share, 4) for option, share in reading.weights.items()}
    return Sample(
        task=judge_task(task),
        item_id=f"{question.id}/{suffix}",
        cluster=question.cluster or question.id,
        role="judge",
        prompt_digest=opinion.digest,
        prompt=opinion.prompt,
        target=duel.gold,
        answer=opinion.text,
        parsed=parsed,
        scores=scores,
        tags={key: value for key, value in (("category", question.category), ("source", question.source)) if value},
        stop_reason=opinion.stop_reason,
        prompt_tokens=opinion.tokens.prompt,
        completion_tokens=opinion.tokens.completion,
        latency_s=opinion.latency_s,
        cached=opinion.cached,
    )


def stored_judgements(
    rows: Iterable[Sample], duels: Mapping[str, AnswerPair], *, opponent: str = "base"
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
