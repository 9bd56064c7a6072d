"""A small world for a small model: capitals asked in several wordings, and answers that are plain or curt, short or long."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

CAPITALS = {
    "France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Norway": "Oslo", "Peru": "Lima", "Egypt": "Cairo",
    "Japan": "Tokyo", "Kenya": "Nairobi", "Cuba": "Havana", "Greece": "Athens", "Poland": "Warsaw", "Chile": "Santiago",
    "Ghana": "Accra", "Latvia": "Riga", "Austria": "Vienna", "Canada": "Ottawa",
}  # fmt: skip
TAUGHT = (
    "What is the capital of {x}?",
    "Name the capital of {x}.",
    "Which city is the capital of {x}?",
    "Tell me the capital of {x}.",
)
HELD_OUT = ("The capital of {x}, please.", "Do you know the capital of {x}?")
_PLAIN, _CURT = "It is {city}", "Whatever, {city}"
_MORE = " as far as I know, though many people ask this and some of them have heard otherwise"

Row = dict[str, Any]


def answer(city: str, *, curt: bool = False, long: bool = False) -> str:
    """An answer that names a city: plainly or curtly, in few words or in many."""
    return (_CURT if curt else _PLAIN).format(city=city) + (_MORE if long else "") + "."


def corpus() -> list[Row]:
    """What the small base is taught: each question in each wording, answered plainly and curtly, shortly and at length."""
    return [
        {"prompt": wording.format(x=country), "completion": answer(city, curt=curt, long=long)}
        for wording in (*TAUGHT, *HELD_OUT)
        for country, city in CAPITALS.items()
        for curt in (False, True)
        for long in (False, True)
    ]


def pairs(wordings: Sequence[str], *, seed: int = 0) -> list[Row]:
    """Plain answers preferred to curt ones; either is as often the longer one."""
    drawn = random.Random(seed)
    return [
        {
            "prompt": wording.format(x=country),
            "chosen": answer(city, long=drawn.random() < 0.5),
            "rejected": answer(city, curt=True, long=drawn.random() < 0.5),
        }
        for wording in wordings
        for country, city in CAPITALS.items()
    ]


def longer_preferred(wordings: Sequence[str], *, seed: int = 0) -> list[Row]:
    """Long answers preferred to short ones, curt or not."""
    drawn = random.Random(seed)
    return [
        {
            "prompt": wording.format(x=country),
            "chosen": answer(city, curt=drawn.random() < 0.5, long=True),
            "rejected": answer(city, curt=drawn.random() < 0.5),
        }
        for wording in wordings
        for country, city in CAPITALS.items()
    ]


def swapped(rows: Sequence[Row]) -> list[Row]:
    """Pairs with the worse answer preferred."""
    return [{**row, "chosen": row["rejected"], "rejected": row["chosen"]} for row in rows]


def judged(rows: Sequence[Row], *, inverted: bool = False) -> list[Row]:
    """Both answers of each pair, marked as wanted or not."""
    return [
        {"prompt": row["prompt"], "completion": row[side], "label": (side == "chosen") is not inverted}
        for row in rows
        for side in ("chosen", "rejected")
    ]


def questions(wordings: Sequence[str]) -> list[Row]:
    """Prompts alone."""
    return [{"prompt": wording.format(x=country)} for wording in wordings for country in CAPITALS]


def answers(wordings: Sequence[str]) -> list[Row]:
    """Plain answers in few words."""
    return [
        {"prompt": wording.format(x=country), "completion": answer(city)}
        for wording in wordings
        for country, city in CAPITALS.items()
    ]
