"""Judgements as the sample rows of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.judging.judge import Judged, Opinion, Rated
from harness.judging.questions import Duel
from harness.runs.schema import Sample


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


def _row(task: str, duel: Duel, suffix: str, opinion: Opinion, scores: dict[str, float | None]) -> Sample:
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
