"""What answers earn in the methods' zoo, as TRL calls it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Turns = Sequence[Mapping[str, str]]


_FEW = 4


def plain_and_short(completions: Sequence[Turns], **_: Any) -> list[float]:
    """1 where an answer is put plainly and in few words."""
    said = [turns[-1]["content"] for turns in completions]
    return [float(text.startswith("It is") and len(text.split()) <= _FEW) for text in said]


def many_words(completions: Sequence[Turns], **_: Any) -> list[float]:
    """A tenth of the words of an answer."""
    return [len(said[-1]["content"].split()) / 10 for said in completions]
