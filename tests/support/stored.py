"""Answers to put into a cache, and a cache file that holds some."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from harness.engines import Answer, AnswerCache, Divergence, Generation, Score

MODEL = "3a" * 32
BATCH = 20


def key(number: int) -> str:
    """A key like those of real answers."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def answer(number: int) -> Answer:
    """One of each kind in turn, none like another."""
    if number % 3 == 0:
        return Generation(f"Answer {number}: größer, 更大 \ud800 " * (number % 5), "eos", number, 1, number / 7)
    if number % 3 == 1:
        return Score(-number / 7, number % 2 == 0, number, 2, number / 11)
    return Divergence(number / 13, number, 0.25)


def answers(count: int, *, start: int = 0) -> dict[str, Answer]:
    """That many, by key."""
    return {key(number): answer(number) for number in range(start, start + count)}


def store(path: Path, kept: Mapping[str, Answer], *, model: str = MODEL) -> Path:
    """Put answers into the cache at `path`, some batches of them, and close it."""
    cache = AnswerCache(path)
    keys = list(kept)
    for start in range(0, len(keys), BATCH):
        cache.put(model, {key: kept[key] for key in keys[start : start + BATCH]})
    cache.close()
    return path
