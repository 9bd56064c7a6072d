"""Did the adapter learn its rows rather than their kind? Measured on rows of the training data, always against the base.

Names load on first use: suites are imported at pytest collection and must not bring numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.checks.overfitting.canaries import canary_task
    from harness.checks.overfitting.collapse import length_over_base, length_over_targets, repetition
    from harness.checks.overfitting.memorising import extractable, loss_gap_over_base, recited
    from harness.checks.overfitting.recall import HELD_OUT_ROWS, LEAST_ROWS, TRAINING_ROWS, recall_task
    from harness.checks.overfitting.sampling import answer_task
    from harness.checks.overfitting.validation import validation_gap, validation_rise
    from harness.checks.overfitting.variety import compression, distinct_2, self_bleu_rise

_HOME = {
    "HELD_OUT_ROWS": "recall",
    "LEAST_ROWS": "recall",
    "TRAINING_ROWS": "recall",
    "answer_task": "answering",
    "canary_task": "canaries",
    "compression": "variety",
    "distinct_2": "variety",
    "extractable": "memorising",
    "length_over_base": "collapse",
    "length_over_targets": "collapse",
    "loss_gap_over_base": "memorising",
    "recall_task": "recall",
    "recited": "memorising",
    "repetition": "collapse",
    "self_bleu_rise": "variety",
    "validation_gap": "validation",
    "validation_rise": "validation",
}

__all__ = [
    "HELD_OUT_ROWS",
    "LEAST_ROWS",
    "TRAINING_ROWS",
    "answer_task",
    "canary_task",
    "compression",
    "distinct_2",
    "extractable",
    "length_over_base",
    "length_over_targets",
    "loss_gap_over_base",
    "recall_task",
    "recited",
    "repetition",
    "self_bleu_rise",
    "validation_gap",
    "validation_rise",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
