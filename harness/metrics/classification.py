"""Class-balanced aggregates, by scikit-learn. A prediction of None is an answer that named no label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_UNPARSED = "(none)"


@dataclass(frozen=True)
class Confusion:
    """Counts of answers.

    Attributes:
        labels: the labels of the rows (targets) and, followed by "(none)" for answers without a label, of the columns.
        matrix: shape (len(labels), len(labels) + 1); `matrix[i][j]` targets of label i were answered by column j.
    """

    labels: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return (*self.labels, _UNPARSED)


def confusion(targets: Sequence[str], predictions: Sequence[str | None]) -> Confusion:
    """Count which label was answered for which."""
    labels = tuple(sorted({*targets, *(p for p in predictions if p is not None)}))
    place = {label: i for i, label in enumerate(labels)}
    counts = [[0] * (len(labels) + 1) for _ in labels]
    for target, prediction in zip(targets, predictions, strict=True):
        counts[place[target]][len(labels) if prediction is None else place[prediction]] += 1
    return Confusion(labels, tuple(tuple(row) for row in counts))


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

    # only labels that occur as targets: a label without an item has no recall to average
    filled = ["label " + p if p is not None else _UNPARSED for p in predictions]
    wanted = ["label " + t for t in targets]
    scores = precision_recall_fscore_support(
        wanted, filled, labels=sorted(set(wanted)), average="macro", zero_division=0.0
    )
    return float(scores[0]), float(scores[1]), float(scores[2])
