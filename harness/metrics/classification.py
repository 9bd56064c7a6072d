"""Class-balanced aggregates, by scikit-learn. A prediction of None is an answer that named no label."""

from __future__ import annotations

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
    from sklearn.metrics import precision_recall_fscore_support

    filled = [f"label {answer}" if answer is not None else "(none)" for answer in predictions]
    wanted = [f"label {target}" for target in targets]
    # only labels that occur as targets: a label without an item has no recall to average
    *scores, _ = precision_recall_fscore_support(
        wanted, filled, labels=sorted(set(wanted)), average="macro", zero_division=0.0
    )
    precision, recall, f1 = map(float, scores)
    return precision, recall, f1
