"""Answers to prompts of the training data, by base and candidate."""

from __future__ import annotations

import math

from harness.data import Corpus
from harness.overfitting.sampling import HELD_OUT, TRAINED, digest_rows, item_of, sample_rows
from harness.tasks.task import Task
from harness.tasks.text_generation import TextGrader

ROW_ANSWERS = "row_answers"

# Twice the longest answer taught, at four characters a token: three times as long shows as an answer that does not end.
_TOKENS_A_CHARACTER = 0.5
_FEWEST_TOKENS, _MOST_TOKENS = 32, 256


def answer_task(corpus: Corpus, size: int) -> Task:
    """At most `size` prompts, half of them trained on and half held out, as many as there are of each."""
    kinds = {HELD_OUT: size // 2, TRAINED: size - size // 2}
    items = [item_of(row, kind, row.answer) for kind, most in kinds.items() for row in sample_rows(corpus, kind, most)]
    longest = max((len(item.target) for item in items), default=0)
    cap = min(_MOST_TOKENS, max(_FEWEST_TOKENS, math.ceil(_TOKENS_A_CHARACTER * longest)))
    return Task(ROW_ANSWERS, items, TextGrader(max_new_tokens=cap), digest_rows(items))
