"""Rows of the training data made items: a sample of them, the same on every machine."""

from __future__ import annotations

import random
from collections.abc import Sequence

from harness.data import Corpus
from harness.data.corpus import TRAIN, VALIDATION, Row
from harness.digests import digest_json
from harness.engines.requests import Prompt
from harness.tasks.base import Item

TRAINED, HELD_OUT = "training", "held-out"
NEEDS_ROWS = "measure more rows (`overfitting:` in assay.yaml, or a larger profile)"
"""What to do where rows do not suffice for a decision."""
_ROLE = {TRAINED: TRAIN, HELD_OUT: VALIDATION}


def sample_rows(corpus: Corpus, kind: str, size: int) -> list[Row]:
    """At most `size` rows trained on or held out, drawn at random and kept in their order."""
    rows = corpus.of(_ROLE[kind])
    if len(rows) <= size:
        return rows
    return [rows[i] for i in sorted(random.Random(0).sample(range(len(rows)), size))]


def item_of(row: Row, kind: str, target: str) -> Item:
    """A row's prompt as it is trained on, with what should follow."""
    return Item(id=f"{row.place} ({kind})", prompt=Prompt(messages=row.prompt), target=target, tags={"rows": kind})


def digest_rows(items: Sequence[Item]) -> str:
    """Digest of what is asked and of what should follow."""
    return digest_json([[item.id, item.prompt.as_messages(), item.target] for item in items])
