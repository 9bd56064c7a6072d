"""Preference pairs: those written for this project, public ones as rows of the same columns, and swaps planted in them."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).parents[2] / "fixtures" / "data" / "preferences"
Row = dict[str, Any]


def own_pairs(split: str = "train") -> list[Row]:
    """The project's own, as they are."""
    return [json.loads(line) for line in (FIXTURES / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]


def public_pairs(data_dir: Path, name: str) -> list[Row]:
    """Of `hh_rlhf`, `alpaca_eval` or `llmbar`: those with two different answers, of which one is preferred."""
    found = {"hh_rlhf": _hh_rlhf, "alpaca_eval": _alpaca_eval, "llmbar": _llmbar}[name](data_dir / name)
    return [
        {"prompt": prompt, "chosen": chosen, "rejected": rejected}
        for prompt, chosen, rejected in found
        if chosen.strip() and rejected.strip()
    ]


def swapped(rows: Sequence[Row], share: float, seed: int = 0) -> tuple[list[Row], set[int]]:
    """The rows with the answers of a share of them exchanged, and the places of those."""
    places = set(random.Random(seed).sample(range(len(rows)), round(share * len(rows))))
    turned = [
        {**row, "chosen": row["rejected"], "rejected": row["chosen"]} if place in places else row
        for place, row in enumerate(rows)
    ]
    return turned, places


def _hh_rlhf(directory: Path) -> Iterator[tuple[str, str, str]]:
    mark = "\n\nAssistant:"
    for line in gzip.decompress((directory / "harmless-base_test.jsonl.gz").read_bytes()).splitlines():
        row = json.loads(line)
        (prompt, _, chosen), (other, _, rejected) = (row[side].rpartition(mark) for side in ("chosen", "rejected"))
        if prompt == other:
            yield prompt, chosen.strip(), rejected.strip()


def _alpaca_eval(directory: Path) -> Iterator[tuple[str, str, str]]:
    annotations = directory / "results" / "alpaca-7b" / "alpaca_eval_gpt4" / "annotations.json"
    for row in json.loads(annotations.read_text(encoding="utf-8")):
        if row["preference"] in (1, 2):
            yield _of_two(row["instruction"], row["output_1"], row["output_2"], row["preference"])


def _llmbar(directory: Path) -> Iterator[tuple[str, str, str]]:
    for file in sorted(directory.rglob("dataset.json")):
        for row in json.loads(file.read_text(encoding="utf-8")):
            yield _of_two(row["input"], row["output_1"], row["output_2"], row["label"])


def _of_two(prompt: str, first: str, second: str, better: int) -> tuple[str, str, str]:
    return (prompt, first, second) if better == 1 else (prompt, second, first)
