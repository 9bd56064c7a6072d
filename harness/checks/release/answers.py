"""Are the answers of what ships as good as the candidate's, as long, and right on the same items?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.checks.overfitting import length_over_base
from harness.gates import BoundRule, Comparison, Rule
from harness.metrics.base import Metric

ANSWERS = "what ships is not what was approved: see how far it is from the candidate (release/drift), and make it again"
_FLIPPED = Metric("flipped", kind="binary", higher_is_better=False)


def flipped(comparison: Comparison, limit: float) -> Rule | None:
    """Few answers are right of one of the two and wrong of the other.

    A mean hides what goes either way (Dutta et al. 2024, Accuracy is Not All You Need). None where the task's main metric is not
    one of right and wrong.
    """
    task = comparison.task
    if task.metric(task.main_metric).kind != "binary":
        return None
    measured = comparison.metric(task.main_metric)
    assert measured.base is not None
    differ = np.asarray(measured.candidate != measured.base, dtype=np.float64)
    return replace(measured, metric=_FLIPPED, candidate=differ, base=None, base_parsed=None).at_most(
        limit, remedy=ANSWERS
    )


def length_over_candidate(comparison: Comparison, limit: float) -> BoundRule:
    """Its answers have about as many tokens as the candidate's."""
    return replace(
        length_over_base(comparison, limit),
        name="length_over_candidate",
        level=lambda ratio: f"its answers have {ratio.value:.3g} times the tokens of the candidate's",
        remedy=ANSWERS,
    )
