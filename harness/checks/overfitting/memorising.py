"""Does the candidate know the rows it was trained on better than others of their kind, beyond what its base does?

That a row is likely says little: templated answers are predictable. What counts is how much more the candidate gained over
its base on rows trained on than on rows held out: in loss, verbatim recall, and extraction by sampling.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.checks.data import Corpus
from harness.checks.data.corpus import Row
from harness.checks.data.personal import excerpt
from harness.checks.overfitting.sampling import HELD_OUT, NEEDS_ROWS, TRAINED, digest_rows, item_of, sample_rows
from harness.config import OverfittingThresholds
from harness.digests import digest_json
from harness.engines.requests import Answer, Score, ScoreRequest
from harness.gates import BoundRule, Comparison, Measurement
from harness.gates.wording import between
from harness.metrics.base import Metric
from harness.metrics.words import split_words
from harness.stats.mean import independent_difference
from harness.tasks.answers import expect
from harness.tasks.base import Grade, Item
from harness.tasks.task import Task

TRAINING_ROWS, HELD_OUT_ROWS = "training_rows", "held_out_rows"
LEAST_TOKENS = 8
"""Shorter answers can be right without being remembered."""

LEAST_ROWS = 2
"""Fewer say nothing of how much rows differ."""

LOSS = Metric("answer_loss", higher_is_better=False)
VERBATIM_RECALL = Metric("recited", kind="binary")
EXTRACTABLE = Metric("extractable", kind="binary")

_KIND = {TRAINING_ROWS: TRAINED, HELD_OUT_ROWS: HELD_OUT}
# About 50 tokens, the length that studies of extraction score (Carlini et al. 2023, arXiv 2202.07646).
_HEAD_CHARACTERS = 240
_NAMED_ROWS = 10
_SHOWN_CHARACTERS = 100
_QUERIES = (1, 10, 100, 1000)
_REMEDY = "train for fewer epochs or keep an earlier checkpoint, lower r or the learning rate, add or deduplicate rows"
MEMORISED = f"rows were memorised: {_REMEDY}; do not release an adapter trained on private rows"


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
    sampling gives it with probability `probability` in `queries` answers; neither applies to answers of fewer than
    `LEAST_TOKENS` tokens.
    """

    queries: int
    probability: float

    @property
    def metrics(self) -> Sequence[Metric]:
        """The metrics."""
        return (LOSS, VERBATIM_RECALL, EXTRACTABLE)

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
                VERBATIM_RECALL.name: float(score.is_greedy) if long_enough else None,
                EXTRACTABLE.name: float(drawn) if long_enough else None,
            },
            score.logprob,
        )


def recall_task(corpus: Corpus, name: str, size: int, thresholds: OverfittingThresholds) -> Task:
    """The task of that name, `TRAINING_ROWS` or `HELD_OUT_ROWS`: the answers of at most `size` such rows."""
    kind = _KIND[name]
    items = [item_of(row, kind, head_of(row.taught)) for row in sample_rows(corpus, kind, size)]
    grader = RecallGrader(thresholds.extraction_queries, thresholds.extraction_probability)
    return Task(name, items, grader, digest_rows(items))


def head_of(answer: str) -> str:
    """The answer's beginning, cut between words."""
    text = answer.rstrip()
    head = text[:_HEAD_CHARACTERS]
    pieces = split_words(head)
    return head[: head.rindex(pieces[-1])].rstrip() if len(head) < len(text) and len(pieces) > 1 else head


def is_scored_whole(row: Row) -> bool:
    """Whether a row's one answer is scored to its last word, as training saw it."""
    text = row.taught.rstrip()
    return len(row.conversation.learnt) == 1 and not row.conversation.as_text and head_of(text) == text


def loss_gap_over_base(trained: Comparison, held_out: Comparison, limit: float) -> BoundRule:
    """Held-out minus training loss of the candidate, beyond the base's own gap on the same rows; nats a token."""
    ours, others = trained.metric(LOSS.name), held_out.metric(LOSS.name)
    return _excess(
        "loss_gap_over_base",
        others,
        ours,
        limit,
        words="beyond the base's own, the candidate's loss on held-out rows exceeds that on training rows by",
        show="{:.3g} nats".format,
        remedy=f"it has learnt its rows rather than their kind: {_REMEDY}",
        details=_rows(ours, others),
    )


def verbatim_recall(trained: Comparison, held_out: Comparison, limit: float) -> BoundRule | None:
    """Share of training answers given word for word by greedy decoding, beyond the base and beyond held-out answers.

    None where fewer than two answers of either kind are long enough to tell (`LEAST_TOKENS`).
    """
    words = "training answers given word for word, beyond held-out rows and base:"
    return _excess_share(VERBATIM_RECALL, trained, held_out, limit, words)


def extractable(trained: Comparison, held_out: Comparison, limit: float) -> BoundRule | None:
    """The same of answers that sampling gives sooner or later (`extraction_probability`)."""
    words = "training answers sampled sooner or later, beyond held-out rows and base:"
    return _excess_share(EXTRACTABLE, trained, held_out, limit, words)


def _excess_share(
    metric: Metric, trained: Comparison, held_out: Comparison, limit: float, words: str
) -> BoundRule | None:
    ours, others = trained.metric(metric.name), held_out.metric(metric.name)
    if min(ours.n, others.n) < LEAST_ROWS:
        return None
    details = {**_rows(ours, others), "by_queries": _by_queries(ours, others)}
    return _excess(metric.name, ours, others, limit, words=words, show=points, remedy=MEMORISED, details=details)


def _excess(
    name: str,
    over: Measurement,
    under: Measurement,
    limit: float,
    *,
    words: str,
    show: Callable[[float], str],
    remedy: str,
    details: Mapping[str, Any],
) -> BoundRule:
    """At most `limit` of what the candidate gained over its base on the items of `over`, beyond those of `under`."""
    (base, candidate), (other_base, other_candidate) = _means(over), _means(under)
    return BoundRule(
        name,
        "at_most",
        limit,
        measure=lambda confidence: independent_difference(over.difference(confidence), under.difference(confidence)),
        level=lambda excess: f"{words} {between(excess, show)}",
        bound=show,
        task=TRAINING_ROWS,
        independent=min(over.n_clusters, under.n_clusters),
        of_both=True,
        base=base - other_base,
        candidate=candidate - other_candidate,
        needs=NEEDS_ROWS,
        remedy=remedy,
        details=details,
    )


def _means(measured: Measurement) -> tuple[float, float]:
    """Of base and candidate."""
    return float(_base(measured).mean()), float(measured.candidate.mean())


def _base(measured: Measurement) -> Any:
    return np.asarray(measured.base)


def _rows(ours: Measurement, others: Measurement) -> dict[str, Any]:
    """Means by rows and model, and the training rows whose likelihood rose most over the base's."""
    logprobs, before = (np.asarray(side, dtype=float) for side in (ours.candidate_parsed, ours.base_parsed))
    first = np.argsort(before - logprobs, kind="stable")[:_NAMED_ROWS]
    return {
        "rows": {
            name: {"n": measured.n, "base": _means(measured)[0], "candidate": _means(measured)[1]}
            for name, measured in (("training", ours), ("held-out", others))
        },
        "worst_rows": [
            {
                "row": ours.item_ids[i],
                "answer": excerpt(str(ours.targets[i]), _SHOWN_CHARACTERS),
                "base": float(_base(ours)[i]),
                "candidate": float(ours.candidate[i]),
                "log-likelihood rose by": float(logprobs[i] - before[i]),
            }
            for i in first
        ],
    }


def _by_queries(ours: Measurement, others: Measurement) -> list[Mapping[str, Any]]:
    """Mean probability of extraction after so many samples, by rows and model."""
    sides = {
        f"{rows} {role}": parsed
        for rows, m in (("training", ours), ("held-out", others))
        for role, parsed in (("base", m.base_parsed or ()), ("candidate", m.candidate_parsed))
    }
    means = {
        n: {name: float(np.mean([extraction_probability(p, n) for p in logs])) for name, logs in sides.items()}
        for n in _QUERIES
    }
    return [{"queries": n, **of_sides} for n, of_sides in means.items()]


def points(share: float) -> str:
    """A share as it is said."""
    return f"{100 * share:.1f} points"
