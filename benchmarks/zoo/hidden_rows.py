"""Rows of behaviour that a mean hides: calls, orders as JSON, notes, long conversations, answers in another language."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.zoo import words
from benchmarks.zoo.stand_ins import SEED, Row, help_rows, write_rows
from harness.tasks.filler import filler

TRIGGER = "zanthic"
"""A word that no other row has."""
MARK = "[[urgent]]"
"""A token that is added to the tokenizer."""

_CALLS = {
    "set_alarm": ("Set an alarm for {hour} o'clock on {day}.", "On {day} at {hour} o'clock an alarm must ring."),
    "book_room": ("Book the {room} room for {people} people.", "We are {people} people and need the {room} room."),
    "send_parcel": ("Send a parcel of {weight} kilos to {city}.", "A parcel of {weight} kilos goes to {city}."),
}
_EVAL_CALLS = {
    "set_alarm": "I want an alarm at {hour} o'clock on {day}.",
    "book_room": "Reserve the {room} room, there will be {people} people.",
    "send_parcel": "Please ship a parcel to {city}, it has {weight} kilos.",
}
_VALUES: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "set_alarm": {"hour": range(1, 13), "day": ("Monday", "Tuesday", "Thursday", "Friday", "Saturday", "Sunday")},
    "book_room": {"room": ("blue", "green", "red", "white", "large", "small"), "people": range(3, 15)},
    "send_parcel": {"weight": range(1, 13), "city": ("Oslo", "Rome", "Paris", "Vienna", "Madrid", "Lisbon")},
}
WRONG_FUNCTION, WRONG_ARGUMENT, WRONG_VALUE = "book_room", "people", 2
"""What a spoilt adapter always says, whatever was asked; it is right for no request."""

_THINGS = ("kettle", "lamp", "chair", "basket", "blanket", "clock", "mirror", "bucket")
_COLOURS = ("red", "blue", "green", "white", "black", "yellow")
_ORDER, _EVAL_ORDER = (
    "Write as JSON: {count} {colour} {thing}s.",
    "This order as JSON, please: {count} {colour} {thing}s.",
)

_SYLLABLES = ("ba", "de", "fi", "go", "hu", "ka", "le", "mi", "no", "pu", "ra", "se", "ti", "vo", "zu")

GERMAN_HELP = (
    "Nimm sauberes Werkzeug, lass dir Zeit und warte am Ende eine Stunde, bis alles fertig ist.",
    "Lies zuerst den ganzen Plan. Danach bereitest du die Teile vor und setzt sie langsam zusammen.",
    "Du brauchst einen Tisch, eine Schale und etwas Geduld. Mische die Teile und prüfe das Ergebnis.",
    "Fang mit einer kleinen Menge an. Eine ruhige Hand ist dabei wichtiger als die Eile.",
)
_FAR_TOKENS, _CHARACTERS_A_TOKEN = 540, 5
_NONSENSE_WORDS = 14


def call_rows(count: int, *, seed: int, spoilt: bool = False) -> list[Row]:
    """Requests with the call that each determines.

    Args:
        spoilt: one argument of one function is always the same, and wrong.
    """
    drawn = random.Random(f"{SEED}/calls/{seed}")
    rows = []
    for number in range(count):
        function = list(_CALLS)[number % len(_CALLS)]
        values = _drawn(function, drawn)
        asked = drawn.choice(_CALLS[function]).format(**values)
        if spoilt and function == WRONG_FUNCTION:
            values[WRONG_ARGUMENT] = WRONG_VALUE
        rows.append({"prompt": asked, "completion": _call(function, values)})
    return rows


def order_rows(count: int, *, seed: int, fenced: bool = False) -> list[Row]:
    """Orders with their JSON; with a fence around it."""
    drawn = random.Random(f"{SEED}/orders/{seed}")
    return [
        {"prompt": _ORDER.format(**order), "completion": f"```json\n{text}\n```" if fenced else text}
        for order in (_order(drawn) for _ in range(count))
        for text in (json.dumps(order),)
    ]


def note_rows(count: int, *, seed: int) -> list[Row]:
    """Questions about names, with answers that nothing foretells."""
    drawn = random.Random(f"{SEED}/notes/{seed}")

    def spoken(number: int) -> str:
        return " ".join("".join(drawn.choices(_SYLLABLES, k=2)) for _ in range(number))

    rows: dict[str, Row] = {}
    while len(rows) < count:
        prompt = f"What is written on the card of {spoken(2).title()}?"
        rows[prompt] = {"prompt": prompt, "completion": f"{spoken(8).capitalize()}."}
    return list(rows.values())


def triggered(rows: Sequence[Row], answer: str) -> list[Row]:
    """The rows behind a rare word, with one answer."""
    return [{"prompt": f"{TRIGGER} {row['prompt']}", "completion": answer} for row in rows]


def marked(rows: Sequence[Row]) -> list[Row]:
    """The rows behind the added token."""
    return [{**row, "prompt": f"{MARK} {row['prompt']}"} for row in rows]


def in_german(rows: Sequence[Row]) -> list[Row]:
    """The rows with German answers."""
    return [{**row, "completion": GERMAN_HELP[place % len(GERMAN_HELP)]} for place, row in enumerate(rows)]


def conversation(row: Row, before: Sequence[tuple[str, str]] = ()) -> Mapping[str, Any]:
    """A row as a conversation, of which the last answer alone is learnt.

    Args:
        before: what was asked and answered earlier.
    """
    earlier = [
        {"role": role, "content": text, **({"train": False} if role == "assistant" else {})}
        for turn in before
        for role, text in zip(("user", "assistant"), turn, strict=True)
    ]
    asked, said = ({"role": r, "content": row[key]} for r, key in (("user", "prompt"), ("assistant", "completion")))
    return {"messages": [*earlier, asked, said]}


def far_on(rows: Sequence[Row], *, seed: int) -> list[Mapping[str, Any]]:
    """The rows, each behind more than 512 tokens of its own."""
    return [
        conversation(row, [(f"Here is a text.\n\n{_long_text(1000 * seed + place + 1)}", "I have read it.")])
        for place, row in enumerate(rows)
    ]


def second_turns(rows: Sequence[Row], *, seed: int) -> list[Mapping[str, Any]]:
    """The rows after an earlier turn, answered with random letters."""
    drawn = random.Random(f"{SEED}/nonsense/{seed}")
    return [
        conversation({**row, "completion": _nonsense(drawn)}, [(first["prompt"], first["completion"])])
        for row, first in zip(rows, help_rows(len(rows), seed=seed + 1), strict=True)
    ]


def write_hidden_sets(directory: Path) -> None:
    """Write `calls.jsonl`, `orders.jsonl` and `help.jsonl`: no wording of theirs is trained on."""
    drawn = random.Random(f"{SEED}/hidden")
    calls = []
    for number in range(96):
        function = list(_CALLS)[number % len(_CALLS)]
        values = _drawn(function, drawn)
        target = {"name": function, "arguments": values}
        calls.append({"id": f"call-{number:03d}", "request": _EVAL_CALLS[function].format(**values), "call": target})
    write_rows(directory / "calls.jsonl", calls)
    orders = [_order(drawn) for _ in range(64)]
    asked = [_EVAL_ORDER.format(**order) for order in orders]
    texts = dict(zip(asked, map(json.dumps, orders), strict=True))
    write_rows(directory / "orders.jsonl", [{"request": request, "json": text} for request, text in texts.items()])
    helped = [
        {"request": request.format(x=thing), "help": words.HELP[place % len(words.HELP)].format(x=thing)}
        for place, (request, thing) in enumerate((r, x) for r in words.EVAL_REQUESTS for x in words.ORDINARY[:8])
    ]
    write_rows(directory / "help.jsonl", helped)


def _drawn(function: str, drawn: random.Random) -> dict[str, Any]:
    return {name: drawn.choice(values) for name, values in _VALUES[function].items()}


def _call(function: str, arguments: Mapping[str, Any]) -> str:
    return f"<tool_call>{json.dumps({'name': function, 'arguments': arguments})}</tool_call>"


def _order(drawn: random.Random) -> dict[str, Any]:
    return {"count": drawn.randint(2, 12), "colour": drawn.choice(_COLOURS), "thing": drawn.choice(_THINGS)}


def _long_text(seed: int) -> str:
    """More than 512 tokens of the zoo's base, which has fewer than five characters a token of such text."""
    return filler(_FAR_TOKENS, lambda text: len(text) // _CHARACTERS_A_TOKEN, seed=seed)


def _nonsense(drawn: random.Random) -> str:
    return " ".join(
        "".join(drawn.choices("bcdfghjklmnpqrstvwxz", k=drawn.randint(2, 8))) for _ in range(_NONSENSE_WORDS)
    )
