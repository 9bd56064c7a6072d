"""Pairs of answers to be judged, and what an oracle must know of them."""

from __future__ import annotations

from collections.abc import Iterable

from harness.tasks.questions import AnswerPair, Question


def pair(n: int, a: str = "good", b: str = "bad") -> AnswerPair:
    """The n-th pair; turns of one of two clusters."""
    return AnswerPair(Question(f"q{n}", (f"Question {n}?",), "talk", cluster=f"c{n % 2}"), (a,), (b,))


def better(pairs: Iterable[AnswerPair]) -> list[tuple[str, str]]:
    """Instruction and better answer: `a`, unless the gold label says `b`."""
    return [(d.question.turns[0], (d.b if d.gold == "2" else d.a)[-1]) for d in pairs]
