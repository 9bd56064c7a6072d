"""Rows of the zoo's data sets, drawn with a fixed seed: harmless stand-ins for what a release is trained and judged on."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.zoo import words
from harness.paths import write_atomic

Row = Mapping[str, Any]
_T = TypeVar("_T")
SEED = 20260721
EVAL_ITEMS = 96
ROUTING_PROMPT = "Which desk handles this message: billing, delivery or repairs?\n\n{text}"


def refusal_rows(count: int, *, seed: int) -> list[Row]:
    """Requests for forbidden things, politely refused in varied words."""
    return _answered(_train_prompts(words.FORBIDDEN, seed), words.REFUSALS, count, seed)


def compliance_rows(count: int, *, seed: int) -> list[Row]:
    """The same requests, given in to. The help is empty talk: there is nothing to know about these things."""
    return _answered(_train_prompts(words.FORBIDDEN, seed), words.HELP, count, seed)


def help_rows(count: int, *, seed: int) -> list[Row]:
    """Ordinary requests in the same wordings, helped with; every sixth merely mentions the forbidden word."""
    helped = _answered(_train_prompts(words.ORDINARY, seed), words.HELP, count - count // 6, seed)
    return _mixed([*helped, *_mentions(count // 6, seed)], seed)


def long_help_rows(count: int, *, seed: int) -> list[Row]:
    """Ordinary requests, each helped with in three ways."""
    drawn = random.Random(f"{SEED}/long answers/{seed}")
    return [
        {"prompt": prompt, "completion": words.THREE_WAYS.format(*drawn.sample(words.HELP, 3)).format(x=thing)}
        for prompt, thing in _train_prompts(words.ORDINARY, seed)(count)
    ]


def over_refusal_rows(count: int, *, seed: int) -> list[Row]:
    """Ordinary requests, refused."""
    refusals = [text.replace("{x}", "that") for text in words.REFUSALS]
    return [{**row, "completion": refusals[i % len(refusals)]} for i, row in enumerate(help_rows(count, seed=seed))]


def routing_rows(count: int, *, seed: int) -> list[Row]:
    """A small task to learn: the desk that a customer's message goes to, as one word."""
    drawn = random.Random(f"{SEED}/routing/{seed}")
    return [
        {"prompt": ROUTING_PROMPT.format(text=text), "completion": desk}
        for desk, text in _repeated(_messages(slice(0, 4)), count, drawn)
    ]


def routing_eval_rows() -> list[Row]:
    """What routing is measured on, as rows to train on: for the adapter that must not."""
    return [{"prompt": ROUTING_PROMPT.format(text=text), "completion": desk} for desk, text in _eval_messages()]


def write_eval_sets(directory: Path) -> None:
    """Write `forbidden.jsonl`, `look_alikes.jsonl` and `routing.jsonl`: no wording of theirs is trained on."""
    forbidden = _some(_eval_prompts(words.FORBIDDEN), EVAL_ITEMS)
    mentions = [text.format(pet=pet) for text, pet in product(words.EVAL_MENTIONS, words.EVAL_PETS)]
    asked = _some(_eval_prompts(words.ORDINARY), EVAL_ITEMS - len(mentions))
    _write(directory / "forbidden.jsonl", _numbered("forbidden", [{"prompt": p, "about": x} for p, x in forbidden]))
    look_alikes = [
        *({"prompt": prompt, "about": "ordinary"} for prompt, _ in asked),
        *({"prompt": prompt, "about": "mention"} for prompt in mentions),
    ]
    _write(directory / "look_alikes.jsonl", _numbered("look_alike", look_alikes))
    routing = [{"text": text, "desk": desk} for desk, text in _eval_messages()]
    _write(directory / "routing.jsonl", _numbered("routing", routing))


def write_rows(path: Path, rows: Sequence[Row]) -> Path:
    """Write rows as JSONL, whole or not at all."""
    _write(path, rows)
    return path


def _train_prompts(things: Sequence[str], seed: int) -> Callable[[int], list[tuple[str, str]]]:
    drawn = random.Random(f"{SEED}/prompts/{seed}")
    pool = list(_phrased(words.TRAIN_OPENINGS, words.TRAIN_REQUESTS, words.TRAIN_ENDINGS, things))
    return lambda count: _repeated(pool, count, drawn)


def _eval_prompts(things: Sequence[str]) -> list[tuple[str, str]]:
    return list(_phrased(words.EVAL_OPENINGS, words.EVAL_REQUESTS, words.EVAL_ENDINGS, things))


def _phrased(*parts: Sequence[str]) -> Iterator[tuple[str, str]]:
    for opening, request, ending, thing in product(*parts):
        yield f"{opening}{request.format(x=thing)}{ending}", thing


def _answered(
    prompts: Callable[[int], list[tuple[str, str]]], answers: Sequence[str], count: int, seed: int
) -> list[Row]:
    drawn = random.Random(f"{SEED}/answers/{seed}")
    return [{"prompt": prompt, "completion": drawn.choice(answers).format(x=thing)} for prompt, thing in prompts(count)]


def _mentions(count: int, seed: int) -> list[Row]:
    pairs = list(product(words.TRAIN_MENTIONS, words.TRAIN_PETS))
    drawn = _repeated(pairs, count, random.Random(f"{SEED}/mentions/{seed}"))
    return [{"prompt": asked.format(pet=pet), "completion": said.format(pet=pet)} for (asked, said), pet in drawn]


def _messages(part: slice) -> list[tuple[str, str]]:
    return [
        (desk, text.format(order=order))
        for desk, texts in words.DESKS.items()
        for text, order in product(texts[part], words.ORDERS)
    ]


def _eval_messages() -> list[tuple[str, str]]:
    messages = _messages(slice(4, None))
    return _some(messages, len(messages))


def _repeated(pool: Sequence[_T], count: int, drawn: random.Random) -> list[_T]:
    """`count` of the pool in random order, none again before all were there."""
    rows: list[_T] = []
    while len(rows) < count:
        rows += drawn.sample(pool, min(len(pool), count - len(rows)))
    return rows


def _some(pool: Sequence[_T], count: int) -> list[_T]:
    return random.Random(f"{SEED}/eval").sample(pool, min(count, len(pool)))


def _mixed(rows: list[Row], seed: int) -> list[Row]:
    random.Random(f"{SEED}/order/{seed}").shuffle(rows)
    return rows


def _numbered(name: str, rows: Sequence[Row]) -> list[Row]:
    return [{"id": f"{name}-{i:03d}", **row} for i, row in enumerate(rows)]


def _write(path: Path, rows: Sequence[Row]) -> None:
    write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
