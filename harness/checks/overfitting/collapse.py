"""Did the way of answering collapse: loops, answers that grow longer?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.checks.overfitting.sampling import HELD_OUT, NEEDS_ROWS
from harness.gates import BoundRule, Comparison, Measurement
from harness.gates.wording import between
from harness.metrics.base import LENGTH, STOPS, Metric
from harness.records import Sample
from harness.safety.refusal.degenerate import has_repetition_loop
from harness.stats import Interval, statistic_interval

# A base that loops on everything leaves nothing to lose.
REPETITION = Metric("repetition", kind="binary", higher_is_better=False, floor=1.0)
_SHORTER = "shorten the answers in the training data, or check that each ends in EOS"


def repetition(answers: Comparison) -> Measurement:
    """1 for each answer that goes round in a loop, of base and candidate."""
    measured = answers.metric(STOPS)
    return replace(
        measured,
        metric=REPETITION,
        base=_loops([base for base, _ in answers.pairs]),
        candidate=_loops([candidate for _, candidate in answers.pairs]),
    )


def length_over_base(answers: Comparison, limit: float) -> BoundRule:
    """The candidate's answer tokens over the base's, each with its end; an answer at its cap counts as long as the cap."""
    measured = answers.metric(LENGTH)
    base = np.zeros(measured.n) if measured.base is None else measured.base
    return _ratio(
        "length_over_base",
        "the candidate's answers have so many times the tokens of the base's:",
        measured,
        limit,
        over=base + 1,
        under=measured.candidate + 1,
        remedy=f"where longer answers are wanted, raise `overfitting.length_over_base`; else {_SHORTER}",
    )


def length_over_targets(answers: Comparison, limit: float) -> BoundRule:
    """The candidate's answers over those taught, in characters: of held-out rows where there are any, else of all."""
    held_out = any(sample.tags.get("rows") == HELD_OUT for sample in answers.candidate)
    measured = (answers.where(rows=HELD_OUT) if held_out else answers).metric(LENGTH)
    texts = {sample.item_id: sample.answer for sample in answers.candidate}
    return _ratio(
        "length_over_targets",
        "the candidate's answers have so many times the characters of those taught:",
        measured,
        limit,
        over=np.array([len(str(target)) + 1.0 for target in measured.targets]),
        under=np.array([len(texts[item]) + 1.0 for item in measured.item_ids]),
        remedy=_SHORTER,
    )


def _ratio(
    name: str,
    words: str,
    measured: Measurement,
    limit: float,
    *,
    over: NDArray[np.float64],
    under: NDArray[np.float64],
    remedy: str,
) -> BoundRule:
    """Ratio of the sums of `under` and `over`, both shape (n,) and above 0."""

    def interval(confidence: float) -> Interval:
        return statistic_interval(
            lambda items: float(under[items].sum() / over[items].sum()),
            measured.n,
            clusters=measured.clusters,
            confidence=confidence,
        )

    longest = np.argsort(over - under, kind="stable")[:5]
    return BoundRule(
        name,
        "at_most",
        limit,
        measure=interval,
        level=lambda ratio: f"{words} {between(ratio, '{:.3g}'.format)}",
        bound="{:.3g}".format,
        task=measured.task,
        independent=measured.n_clusters,
        of_both=True,
        needs=NEEDS_ROWS,
        remedy=remedy,
        details={
            "mean_before": float(over.mean()) - 1,
            "mean_of_candidate": float(under.mean()) - 1,
            "longest": [
                {"item": measured.item_ids[i], "before": over[i] - 1, "candidate": under[i] - 1} for i in longest
            ],
        },
    )


def _loops(samples: Sequence[Sample]) -> NDArray[np.float64]:
    return np.array([float(has_repetition_loop(sample.answer)) for sample in samples])
