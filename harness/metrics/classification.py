"""Class-balanced aggregates. A prediction of None is an answer that named no label."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence


def macro_precision(targets: Sequence[str], predictions: Sequence[str | None]) -> float:
    """Mean over the target labels of: share of the answers naming the label that were right (0 where none did)."""
    return _macro(targets, predictions)[0]


def macro_recall(targets: Sequence[str], predictions: Sequence[str | None]) -> float:
    """Mean over the target labels of: share of the label's items that were answered with it."""
    return _macro(targets, predictions)[1]


def macro_f1(targets: Sequence[str], predictions: Sequence[str | None]) -> float:
    """Mean over the target labels of the harmonic mean of precision and recall."""
    return _macro(targets, predictions)[2]


def _macro(targets: Sequence[str], predictions: Sequence[str | None]) -> tuple[float, float, float]:
    """As scikit-learn's `precision_recall_fscore_support(..., average="macro", zero_division=0)`, which takes a hundred
    times as long: a gate computes it on two thousand resamples.
    """
    wanted, named = Counter(targets), Counter(predictions)
    right = Counter(target for target, answer in zip(targets, predictions, strict=True) if target == answer)
    # only labels that occur as targets: a label without an item has no recall to average
    precision = [right[label] / named[label] if named[label] else 0.0 for label in wanted]
    recall = [right[label] / count for label, count in wanted.items()]
    f1 = [2 * right[label] / (count + named[label]) for label, count in wanted.items()]
    return math.fsum(precision) / len(wanted), math.fsum(recall) / len(wanted), math.fsum(f1) / len(wanted)
