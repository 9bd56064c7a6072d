"""Does the candidate prefer the better answers of pairs that it was not trained on? Measured against the base, as DPO's implicit
reward (Rafailov et al. 2023, arXiv 2305.18290): beta times how much likelier than to the base an answer is.

Of a pair the better answer is ahead where its implicit reward is the higher one; beta has no part in that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.checks.data import Corpus
from harness.checks.data.corpus import TRAIN, VALIDATION
from harness.checks.overfitting.pair_margins import PairMargins, percent, points
from harness.checks.overfitting.sampling import NEEDS_ROWS, drawn
from harness.digests import digest_json
from harness.engines.requests import Answer, Score, ScoreRequest
from harness.gates import BoundRule, Comparison, Measurement
from harness.gates.wording import between
from harness.metrics.base import Metric
from harness.stats.mean import independent_difference
from harness.tasks.answers import expect
from harness.tasks.base import Grade, Item
from harness.tasks.task import Task

TRAINING_PAIRS, HELD_OUT_PAIRS = "training_pairs", "held_out_pairs"

_ROLE = {TRAINING_PAIRS: TRAIN, HELD_OUT_PAIRS: VALIDATION}

LEAST_PAIRS = 2
"""Fewer decide nothing."""

MARGIN = Metric("preference_margin")

_LEARN = (
    "check that better and worse answers are not swapped, in training and validation alike; train longer or at a higher rate; "
    "lower beta"
)
_OVERFIT = "it has learnt its pairs by heart: train for fewer epochs or keep an earlier checkpoint, lower r, add pairs"


class PairGrader:
    """Scores two answers to one prompt: the log-likelihood of the better one less that of the worse, in nats an answer."""

    metrics: Sequence[Metric] = (MARGIN,)
    digest = digest_json(["preference pairs", 1])

    def requests(self, item: Item) -> Sequence[ScoreRequest]:
        """One for each answer. A prompt longer than the context was cut in training too."""
        return tuple(ScoreRequest(item.prompt, item.target[side], truncate=True) for side in ("chosen", "rejected"))

    def grade(self, item: Item, answers: Sequence[Answer]) -> Grade:
        """Grade two scores; what they were parsed into are the two log-likelihoods."""
        chosen, rejected = (expect(Score, item, answer) for answer in answers)
        return Grade({MARGIN.name: chosen.logprob - rejected.logprob}, [chosen.logprob, rejected.logprob])


def pair_task(corpus: Corpus, name: str, size: int) -> Task:
    """The task of that name, `TRAINING_PAIRS` or `HELD_OUT_PAIRS`: at most `size` such pairs of preferences."""
    pairs = [
        (part.location(example.row), example, example.rejected)
        for part in corpus.parts
        if part.role == _ROLE[name]
        for example in part.examples
        if example.rejected is not None
    ]
    items = [
        Item(
            id=location,
            prompt=example.conversation.asked,
            target={"chosen": example.completion, "rejected": rejected.answer.content},
            cluster=digest_json([[turn.role, turn.content] for turn in example.prompt]),
        )
        for location, example, rejected in drawn(pairs, size)
        if example.completion != rejected.answer.content
    ]
    return Task(name, items, PairGrader(), digest_json([[i.id, i.prompt.as_messages(), i.target] for i in items]))


def implicit_accuracy(held_out: Comparison, limit: float) -> BoundRule:
    """Share of held-out pairs whose better answer gained more likelihood over the base than the worse one; at least a limit."""
    measured = held_out.metric(MARGIN.name)
    pairs = _margins(measured)
    return BoundRule(
        "implicit_accuracy",
        "at_least",
        limit,
        measure=pairs.accuracy,
        level=lambda share: (
            "of held-out pairs the better answer gained more over the base than the worse one in "
            f"{between(share, percent)}"
        ),
        bound=percent,
        task=HELD_OUT_PAIRS,
        higher_is_better=True,
        independent=pairs.n_clusters,
        remedy=f"preferences do not hold on pairs that were held out: {_LEARN}",
        needs=f"{NEEDS_ROWS}, or give the data more validation pairs",
        details={**_summary(measured), **pairs.details()},
    )


def implicit_accuracy_gap(trained: Comparison, held_out: Comparison, limit: float) -> BoundRule:
    """That share of training pairs less that of held-out pairs; at most a limit."""
    ours, others = (_margins(one.metric(MARGIN.name)) for one in (trained, held_out))
    return BoundRule(
        "implicit_accuracy_gap",
        "at_most",
        limit,
        measure=lambda confidence: independent_difference(ours.accuracy(confidence), others.accuracy(confidence)),
        level=lambda gap: (
            f"the better answer is ahead more often in training than in held-out pairs by {between(gap, points)}"
        ),
        bound=points,
        task=TRAINING_PAIRS,
        independent=min(ours.n_clusters, others.n_clusters),
        remedy=_OVERFIT,
        needs=NEEDS_ROWS,
        details={"training": ours.details(), "held-out": others.details()},
    )


def _margins(measured: Measurement) -> PairMargins:
    """Of each pair how much more the better answer gained over the base, in nats."""
    better, worse = (tuple(str(target[side]) for target in measured.targets) for side in ("chosen", "rejected"))
    gained = measured.candidate - np.asarray(measured.base)
    return PairMargins(measured.item_ids, better, worse, gained, measured.clusters)


def _summary(measured: Measurement) -> Mapping[str, Any]:
    before, after = (np.asarray(side, dtype=float) for side in (measured.base_parsed, measured.candidate_parsed))
    chosen, rejected = (after - before).mean(axis=0)
    return {
        "likelier to the base already": float((np.asarray(measured.base) > 0).mean()),
        "better answers gained (nats)": float(chosen),
        "worse answers gained (nats)": float(rejected),
    }
