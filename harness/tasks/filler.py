"""Neutral text of any length, to stand before what is asked: the same on every machine, and about nothing that is asked."""

from __future__ import annotations

import random
from collections.abc import Callable

_WHO = (
    "The baker", "A gardener", "The ferryman", "Our neighbour", "The postman", "A carpenter", "The librarian", "A painter",
    "The miller", "The beekeeper", "A tailor", "The night porter", "The gatekeeper", "A potter", "The bookbinder", "A weaver",
)  # fmt: skip
_DID = (
    "counted {} {}", "carried {} {} upstairs", "put away {} {}", "found {} {} behind the shed", "lent out {} {}",
    "mended {} {}", "washed {} {}", "wrapped {} {} in paper", "weighed {} {}", "stacked {} {} by the wall",
    "brought back {} {}", "drew {} {} on a card",
)  # fmt: skip
_WHAT = (
    "baskets", "lanterns", "wooden boxes", "chairs", "blankets", "bottles", "ropes", "flower pots", "ladders", "umbrellas",
    "candles", "cushions", "brushes", "jars", "hats", "benches", "buckets", "curtains",
)  # fmt: skip
_WHEN = (
    "before breakfast", "after the rain", "on Monday", "on Tuesday", "on Thursday", "late in the afternoon", "at noon",
    "while the kettle boiled", "when the shop had closed", "in the early evening", "during the break", "as the mist cleared",
)  # fmt: skip


def filler(tokens: int, count: Callable[[str], int], *, seed: int = 0) -> str:
    """Sentences of so many tokens, or of up to a sentence more.

    Args:
        count: tokens of a text.
        seed: other text of the same kind.
    """
    drawn = random.Random(f"filler/{seed}")
    sentences: list[str] = []
    about = 0  # tokens of sentences one by one: the whole is encoded few times
    while about < tokens or count(" ".join(sentences)) < tokens:
        sentences.append(_sentence(drawn))
        about += count(f" {sentences[-1]}")
    return " ".join(sentences)


def _sentence(drawn: random.Random) -> str:
    did = drawn.choice(_DID).format(drawn.randint(2, 40), drawn.choice(_WHAT))
    return f"{drawn.choice(_WHO)} {did} {drawn.choice(_WHEN)}."
