"""What answers earn in the methods' zoo, as TRL calls it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Turns = Sequence[Mapping[str, str]]


def plain(completions: Sequence[Turns], **_: Any) -> list[float]:
    """1 where an answer is put plainly."""
    return [float(said[-1]["content"].startswith("It is")) for said in completions]


def many_words(completions: Sequence[Turns], **_: Any) -> list[float]:
    """A tenth of the words of an answer."""
    return [len(said[-1]["content"].split()) / 10 for said in completions]
