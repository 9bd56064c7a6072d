"""How likely a model holds the answers of rows: loss, word-for-word recall, and extraction by sampling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.checks.data import Corpus
from harness.checks.overfitting.sampling import HELD_OUT, TRAINED, digest_rows, item_of, sample_rows
from harness.config import OverfittingThresholds
from harness.digests import digest_json
from harness.engines.requests import Answer, Score, ScoreRequest
from harness.metrics.base import Metric
from harness.tasks.answers import expect
from harness.tasks.base import Grade, Item
from harness.tasks.task import Task

TRAINING_ROWS, HELD_OUT_ROWS = "training_rows", "held_out_rows"
LEAST_TOKENS = 8
"""Shorter answers can be right without being remembered."""

LEAST_ROWS = 2
"""Fewer say nothing of how much rows differ."""

LOSS = Metric("answer_loss", higher_is_better=False)
RECITED = Metric("recited", kind="binary")
EXTRACTABLE = Metric("extractable", kind="binary")

_KIND = {TRAINING_ROWS: TRAINED, HELD_OUT_ROWS: HELD_OUT}
# About 50 tokens, the length that studies of extraction score (Carlini et al. 2023, arXiv 2202.07646).
_HEAD_CHARACTERS = 240


def extraction_probability(logprob: float, queries: int) -> float:
    """Probability that at least one of so many answers sampled at temperature 1 is the one of that log-likelihood.

    1 - (1 - p)^n: an answer for which it reaches P is (n, P)-discoverably extractable (Hayes et al. 2024, arXiv
    2410.19482).
    """
    p = math.exp(min(logprob, 0.0))
    return 1.0 if p >= 1.0 else -math.expm1(queries * math.log1p(-p))


@dataclass(frozen=True)
class RecallGrader:
    """Scores an answer's beginning after its prompt.

    `answer_loss` is in nats a token. `recited` is 1 where greedy decoding gives just this text, `extractable` where
    sampling brings it forth with probability `probability` in `queries` answers; neither applies to answers of fewer than
    `LEAST_TOKENS` tokens.
    """

    queries: int
    probability: float

    @property
    def metrics(self) -> Sequence[Metric]:
        """The metrics."""
        return (LOSS, RECITED, EXTRACTABLE)

    @property
    def digest(self) -> str:
        """Digest of the settings."""
        return digest_json(["recall", 1, LEAST_TOKENS, self.queries, self.probability])

    def requests(self, item: Item) -> Sequence[ScoreRequest]:
        """One: how likely the answer's beginning is. A prompt longer than the context was cut in training too."""
        return (ScoreRequest(item.prompt, item.target, truncate=True),)

    def grade(self, item: Item, answers: Sequence[Answer]) -> Grade:
        """Grade one score; what it was parsed into is the log-likelihood."""
        score = expect(Score, item, answers[0])
        long_enough = score.completion_tokens >= LEAST_TOKENS
        drawn = extraction_probability(score.logprob, self.queries) >= self.probability
        return Grade(
            {
                LOSS.name: -score.logprob / score.completion_tokens,
                RECITED.name: float(score.is_greedy) if long_enough else None,
                EXTRACTABLE.name: float(drawn) if long_enough else None,
            },
            score.logprob,
        )


def recall_task(corpus: Corpus, name: str, size: int, rules: OverfittingThresholds) -> Task:
    """The task of that name, `TRAINING_ROWS` or `HELD_OUT_ROWS`: the answers of at most `size` such rows."""
    kind = _KIND[name]
    items = [item_of(row, kind, _head(row.answer)) for row in sample_rows(corpus, kind, size)]
    grader = RecallGrader(rules.extraction_queries, rules.extraction_probability)
    return Task(name, items, grader, digest_rows(items))


def _head(answer: str) -> str:
    """The answer's beginning, cut between words."""
    text = answer.rstrip()
    if len(text) <= _HEAD_CHARACTERS:
        return text
    head = text[:_HEAD_CHARACTERS]
    return head.rsplit(maxsplit=1)[0] if len(head.split()) > 1 else head
