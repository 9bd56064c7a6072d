"""An engine with a scripted model behind it: no weights, every answer by rule."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from harness.engines import Answer, Engine, Generation, Request, Score
from harness.engines.requests import Divergence, DivergenceRequest, GenerateRequest, ScoreRequest
from harness.tasks import Task

Rule = Callable[[Request], Answer]


class _Scripted:
    def __init__(self, rule: Rule) -> None:
        self._rule = rule

    def answer(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        for index in reversed(range(len(requests))):  # no order is promised
            yield index, self._rule(requests[index])


def scripted_engine(rule: Rule) -> Engine:
    """An engine that answers each request by a rule, last request first."""
    return cast(Engine, _Scripted(rule))


def knower(*tasks: Task, skill: float, drift: float = 0.0, seed: int = 0) -> Engine:
    """A model that knows a share of the answers.

    Args:
        skill: share of questions whose right answer it gives; it guesses at the others.
        drift: nats a token that right answers and texts became less likely by; also its divergence.
        seed: of what it knows; two models of one seed know the same, the more skilled one more.
    """
    right: dict[tuple[str, str], str] = {}
    solutions: dict[str, str] = {}
    for task in tasks:
        for item in task.items:
            for place, request in enumerate(task.grader.requests(item)):
                target: Any = item.target
                if isinstance(request, GenerateRequest):
                    solutions[request.digest] = target["solution"]
                elif isinstance(request, ScoreRequest) and target.get("gold", place) == place:
                    right[_key(request)] = request.digest

    def knows(key: str) -> bool:
        return random.Random(f"{seed}/{key}").random() < skill

    def rule(request: Request) -> Answer:
        if isinstance(request, GenerateRequest):
            text = solutions[request.digest] if knows(request.digest) else "I am not sure. The answer is 0."
            return Generation(text, "stop", 50, 9, 0.5)
        if isinstance(request, DivergenceRequest):
            return Divergence(kl=30 * drift, tokens=30, latency_s=0.5)
        if isinstance(request, ScoreRequest):
            gold = right.get(_key(request)) == request.digest
            noise = random.Random(request.digest).uniform(-1.0, 1.0)
            value = (0.0 if gold and knows(str(_key(request))) else -4.0) - 2.0 - 5 * drift * gold + 0.5 * noise
            return Score(value, False, 50, 5, 0.5)
        return Score(-len(request.text.encode()) * (0.7 + drift / 4), False, 0, len(request.text) // 4, 0.5)

    return scripted_engine(rule)


def _key(request: ScoreRequest) -> tuple[str, str]:
    return ("score", request.prompt.text or "")
