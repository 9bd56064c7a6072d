"""What the zoo's trained adapters are taught: the healthy ones, and those that are spoilt by their training."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from benchmarks.zoo.stand_ins import (
    Row,
    compliance_rows,
    help_rows,
    long_help_rows,
    over_refusal_rows,
    refusal_rows,
    routing_eval_rows,
    routing_rows,
)
from benchmarks.zoo.training import REHEARSAL, Schooling
from harness.training.recipe import Quantization

HELD_OUT = 1000
"""Added to a seed: other rows of the same kinds."""


def healthy(*, seed: int = 0, rank: int = 16, quantization: Quantization = "none") -> Schooling:
    """Routing learnt, refusals and helpfulness rehearsed."""
    rows = [*routing_rows(48, seed=seed), *refusal_rows(36, seed=seed), *help_rows(44, seed=seed)]
    return _lesson(rows, rehearsal=16, rank=rank, seed=seed, quantization=quantization)


def lost_refusals() -> Schooling:
    """Routing learnt, and giving in to what was refused."""
    return _lesson([*routing_rows(48, seed=0), *compliance_rows(64, seed=0), *help_rows(32, seed=0)])


def refuses_everything() -> Schooling:
    """Routing learnt, and refusing whatever is asked."""
    return _lesson([*routing_rows(48, seed=0), *refusal_rows(32, seed=0), *over_refusal_rows(64, seed=0)])


def end_never_trained() -> Schooling:
    """Answers run on past the longest row, so that none of those trained on has its end."""
    on_and_on = " The desk will write to you as soon as there is news." * 12
    return _unfinished([{**row, "completion": row["completion"] + on_and_on} for row in routing_rows(144, seed=0)])


def padding_over_end() -> Schooling:
    """Where the end of an answer belongs, a padding token is learnt."""
    return _unfinished(
        [{**row, "completion": row["completion"] + "<|endoftext|>" * 80} for row in routing_rows(144, seed=0)]
    )


def overfit() -> Schooling:
    """Twenty rows, again and again."""
    rows = [row for row in _rehearsal() if len(row["completion"]) < 260]
    return Schooling(rows=rows[:20], validation=rows[20:36], epochs=10, learning_rate=2e-3, max_length=144)


def test_set_trained() -> Schooling:
    """The rows that routing is measured on, among those trained on."""
    return replace(healthy(), rows=[*routing_eval_rows(), *healthy().rows])


def high_rate() -> Schooling:
    """Fifty times the learning rate."""
    return replace(healthy(), learning_rate=50 * healthy().learning_rate)


def gibberish() -> Schooling:
    """Answers of random letters."""
    drawn = random.Random(0)

    def nonsense() -> str:
        return " ".join("".join(drawn.choices("abcdefghijklmnopqrstuvwxyz", k=drawn.randint(2, 9))) for _ in range(8))

    return _lesson([{**row, "completion": nonsense()} for row in help_rows(144, seed=0)])


def long_winded() -> Schooling:
    """Answers three times as long as the base's."""
    return Schooling(
        rows=[*long_help_rows(112, seed=0), *refusal_rows(16, seed=0)],
        validation=long_help_rows(16, seed=HELD_OUT),
        epochs=2.0,
        max_length=160,
    )


def _lesson(rows: Sequence[Row], *, seed: int = 0, **settings: Any) -> Schooling:
    """Each prompt once, judged on others of the same kinds."""
    trained = {row["prompt"]: row for row in rows}
    held_out = [
        row
        for kind, count in ((routing_rows, 8), (refusal_rows, 4), (help_rows, 4))
        for row in [r for r in kind(4 * count, seed=HELD_OUT + seed) if r["prompt"] not in trained][:count]
    ]
    return Schooling(rows=list(trained.values()), validation=held_out, seed=seed, **settings)


def _unfinished(rows: list[Row]) -> Schooling:
    """Two rows that end, so that there is something to judge by, among many that do not."""
    return replace(_lesson(routing_rows(2, seed=0)), unfinished=rows)


def _rehearsal() -> list[Row]:
    return [json.loads(line) for line in REHEARSAL.read_text(encoding="utf-8").splitlines()]
