"""A small world for a small model: neighbours asked about in several wordings, with plain and curt, short and long answers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

NEIGHBOURS = {
    "red": "Anna", "blue": "Ben", "green": "Clara", "white": "David", "black": "Emma", "brown": "Frank", "grey": "Greta",
    "pink": "Hugo", "yellow": "Ida", "orange": "Jonas", "purple": "Kate", "golden": "Liam", "silver": "Mona", "wooden": "Noah",
    "brick": "Olga", "stone": "Paul",
}  # fmt: skip
TAUGHT = (
    "Who lives in the {x} house?",
    "Name the neighbour in the {x} house.",
    "Which neighbour has the {x} house?",
    "Tell me who owns the {x} house.",
)
HELD_OUT = ("The neighbour in the {x} house, please.", "Do you know who lives in the {x} house?")
PETS = ("dog", "cat", "horse", "parrot", "rabbit", "snake", "goat", "turtle")
PET_QUESTIONS = ("What pet does {x} have?", "Name the pet of {x}.")
_PLAIN, _CURT = "It is {name}", "Whatever, {name}"
_MORE = " as far as I know, though many people ask this and some of them have heard otherwise"

Row = dict[str, Any]


def answer(name: str, *, curt: bool = False, long: bool = False) -> str:
    """An answer that names a neighbour: plainly or curtly, in few words or in many."""
    return (_CURT if curt else _PLAIN).format(name=name) + (_MORE if long else "") + "."


def corpus() -> list[Row]:
    """What the small base is taught: each question in each wording, answered plainly and curtly, shortly and at length."""
    return [
        {"prompt": wording.format(x=house), "completion": answer(name, curt=curt, long=long)}
        for wording in (*TAUGHT, *HELD_OUT)
        for house, name in NEIGHBOURS.items()
        for curt in (False, True)
        for long in (False, True)
    ]


def pairs(wordings: Sequence[str], *, seed: int = 0) -> list[Row]:
    """Plain answers preferred to curt ones; either is as often the longer one."""
    drawn = random.Random(seed)
    return [
        {
            "prompt": wording.format(x=house),
            "chosen": answer(name, long=drawn.random() < 0.5),
            "rejected": answer(name, curt=True, long=drawn.random() < 0.5),
        }
        for wording in wordings
        for house, name in NEIGHBOURS.items()
    ]


def pairs_of_unequal_length(wordings: Sequence[str]) -> list[Row]:
    """The same, each twice: with the better answer the longer one, and with the worse."""
    return [
        {
            "prompt": wording.format(x=house),
            "chosen": answer(name, long=long),
            "rejected": answer(name, curt=True, long=not long),
        }
        for wording in wordings
        for house, name in NEIGHBOURS.items()
        for long in (False, True)
    ]


def longer_preferred(wordings: Sequence[str], *, seed: int = 0) -> list[Row]:
    """Long answers preferred to short ones, curt or not."""
    drawn = random.Random(seed)
    return [
        {
            "prompt": wording.format(x=house),
            "chosen": answer(name, curt=drawn.random() < 0.5, long=True),
            "rejected": answer(name, curt=drawn.random() < 0.5),
        }
        for wording in wordings
        for house, name in NEIGHBOURS.items()
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
    return [{"prompt": wording.format(x=house)} for wording in wordings for house in NEIGHBOURS]


def answers(wordings: Sequence[str]) -> list[Row]:
    """Plain answers in few words."""
    return [
        {"prompt": wording.format(x=house), "completion": answer(name)}
        for wording in wordings
        for house, name in NEIGHBOURS.items()
    ]


def pets(wordings: Sequence[str] = PET_QUESTIONS) -> list[Row]:
    """Another matter, which the base was not taught: who has which pet, in one word."""
    names = list(NEIGHBOURS.values())
    return [
        {"prompt": wording.format(x=name), "completion": PETS[place % len(PETS)]}
        for wording in wordings
        for place, name in enumerate(names)
    ]
