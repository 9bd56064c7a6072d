"""What is judged: open questions, and two answers to each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Reply = tuple[str, ...]
"""What one model said: a text for each turn of the question; the last is judged."""

Label = Literal["1", "2", "tie"]


@dataclass(frozen=True)
class Question:
    """An instruction, or a conversation of which the answer to the last turn is judged.

    Attributes:
        id: stable across runs and machines.
        turns: what the user says, turn by turn.
        category, source: for the tables of the report.
        reference: an answer known to be good; None where there is none.
        guided: show the reference to the judge, as for mathematics and code, where judges go wrong by themselves.
        cluster: turns of one conversation share it.
    """

    id: str
    turns: tuple[str, ...]
    category: str = "all"
    source: str = ""
    reference: str | None = None
    guided: bool = False
    cluster: str | None = None


@dataclass(frozen=True)
class AnswerPair:
    """Two answers to one question.

    Attributes:
        a: in a comparison the candidate's, in a gold pair output 1.
        b: the base's or the reference, or output 2.
        gold: which is better by people or by construction; None where nobody knows.
    """

    question: Question
    a: Reply
    b: Reply
    gold: Label | None = None

    @property
    def identical(self) -> bool:
        """Whether there is nothing to judge."""
        return self.a == self.b
