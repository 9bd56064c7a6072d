"""Overfitting as the training log shows it: validation against training loss, each a gate with its remedy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.checks.training.curves import eval_loss_rise, loss_gap
from harness.gates import Scalar
from harness.records import TrainingPoint

_TOO_LONG = "keep the checkpoint of the lowest validation loss (load_best_model_at_end), train fewer epochs, lower r"


def validation_gap(points: Sequence[TrainingPoint], kept_step: int) -> Scalar:
    """Validation minus training loss of the kept weights (`loss_gap`); at most a limit.

    Raises:
        DataError: the log has no validation loss, or no training loss, up to that step.
    """
    return Scalar(
        "loss_gap",
        loss_gap(points, at_step=kept_step),
        unit="nats",
        higher_is_better=False,
        remedy=f"it fits its training rows better than others: {_TOO_LONG}; add or deduplicate rows",
        details=_validation(points, kept_step),
    )


def validation_rise(points: Sequence[TrainingPoint], kept_step: int) -> Scalar:
    """Rise of the validation loss from its lowest to the kept weights (`eval_loss_rise`); at most a limit.

    Raises:
        DataError: the log has no validation loss at or before that step.
    """
    return Scalar(
        "eval_loss_rise",
        eval_loss_rise(points, at_step=kept_step),
        unit="nats",
        higher_is_better=False,
        remedy=f"the weights are not of the step that was best: {_TOO_LONG}",
        details=_validation(points, kept_step),
    )


def _validation(points: Sequence[TrainingPoint], kept_step: int) -> Mapping[str, Any]:
    """Which steps the validation losses are of."""
    evaluated = [p for p in points if p.eval_loss is not None]
    kept = [p for p in evaluated if p.step <= kept_step][-1:]
    best = min(evaluated, key=lambda p: float(p.eval_loss or 0.0), default=None)
    return {
        "kept_step": kept_step,
        **({"evaluated_at_step": kept[0].step, "eval_loss": kept[0].eval_loss} if kept else {}),
        **({"lowest_at_step": best.step, "lowest_eval_loss": best.eval_loss} if best else {}),
    }
