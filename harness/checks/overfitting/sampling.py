"""Rows of the training data made items: a sample of them, the same on every machine."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import TypeVar

from harness.checks.data import Corpus
from harness.checks.data.corpus import TRAIN, VALIDATION, Row
from harness.digests import digest_json
from harness.tasks.base import Item
from harness.tasks.references import TextGrader
from harness.tasks.task import Task

Drawn = TypeVar("Drawn")

TRAINED, HELD_OUT = "training", "held-out"
NEEDS_ROWS = "measure more rows (`overfitting:` in assay.yaml, or a larger profile)"
"""What to do where rows do not suffice for a decision."""
_ROLE = {TRAINED: TRAIN, HELD_OUT: VALIDATION}


def sample_rows(corpus: Corpus, kind: str, size: int) -> list[Row]:
    """At most `size` rows trained on or held out, drawn at random and kept in their order."""
    return drawn(corpus.of(_ROLE[kind]), size)


def drawn(rows: list[Drawn], size: int) -> list[Drawn]:
    """At most `size` of them, drawn at random and kept in their order."""
    if len(rows) <= size:
        return rows
    return [rows[i] for i in sorted(random.Random(0).sample(range(len(rows)), size))]


def item_of(row: Row, kind: str, target: str) -> Item:
    """A row's prompt as it is trained on, with what should follow."""
    return Item(id=f"{row.location} ({kind})", prompt=row.conversation.asked, target=target, tags={"rows": kind})


def digest_rows(items: Sequence[Item]) -> str:
    """Digest of what is asked and of what should follow."""
    return digest_json([[item.id, item.prompt.as_messages(), item.target] for item in items])


ROW_ANSWERS = "row_answers"

# Twice the longest answer taught, at four characters a token: three times as long shows as an answer that does not end.
_TOKENS_A_CHARACTER = 0.5
_FEWEST_TOKENS, _MOST_TOKENS = 32, 256


def answer_task(corpus: Corpus, size: int) -> Task:
    """At most `size` prompts, half of them trained on and half held out, as many as there are of each. Plain text has none."""
    kinds = {HELD_OUT: size // 2, TRAINED: size - size // 2}
    drawn = {kind: sample_rows(corpus, kind, most) for kind, most in kinds.items()}
    items = [item_of(row, kind, row.taught) for kind, rows in drawn.items() for row in rows if row.prompt]
    longest = max((len(item.target) for item in items), default=0)
    cap = min(_MOST_TOKENS, max(_FEWEST_TOKENS, math.ceil(_TOKENS_A_CHARACTER * longest)))
    return Task(ROW_ANSWERS, items, TextGrader(max_new_tokens=cap).fit(items), digest_rows(items))
