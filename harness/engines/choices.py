"""Choices in process: each is scored as a continuation of the prompt they share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from harness.engines.requests import Answer, Choice, ChoiceRequest, Score, ScoreRequest

AT_ONCE = 64
"""Prompts in a batch: a kill loses no more, and what they have in common is computed once."""


def as_scores(requests: Sequence[ChoiceRequest]) -> list[ScoreRequest]:
    """Every choice of every request, in order."""
    return [ScoreRequest(request.prompt, choice) for request in requests for choice in request.choices]


def gather(asked: Sequence[tuple[int, int]], scored: Iterable[tuple[int, Answer]]) -> Iterator[tuple[int, Choice]]:
    """The answers to requests, as (index, answer), each as soon as all of its choices are scored.

    Args:
        asked: index and number of choices of each request.
        scored: (number, score) of the choices of all of them, numbered as in `as_scores`, in any order.
    """
    owners = [place for place, (_, count) in enumerate(asked) for _ in range(count)]
    found: dict[int, dict[int, Score]] = {}
    for number, score in scored:
        place = owners[number]
        index, count = asked[place]
        mine = found.setdefault(place, {})
        if isinstance(score, Score):
            mine[number] = score
        if len(mine) == count:
            yield index, _choice([mine[key] for key in sorted(mine)])


def _choice(scores: Sequence[Score]) -> Choice:
    return Choice(
        logprobs=tuple(score.logprob for score in scores),
        prompt_tokens=max(score.prompt_tokens for score in scores),
        completion_tokens=sum(score.completion_tokens for score in scores),
        latency_s=max(score.latency_s for score in scores),
    )
