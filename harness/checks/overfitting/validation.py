"""Overfitting as the training log shows it: validation against training loss, each a gate with its remedy."""

from __future__ import annotations

from collections.abc import Sequence

from harness.checks.training.curves import eval_loss_rise, loss_gap
from harness.gates import Scalar
from harness.records import TrainingPoint

_TOO_LONG = "keep the checkpoint of the lowest validation loss (load_best_model_at_end), train fewer epochs, lower r"


def validation_gap(points: Sequence[TrainingPoint], kept_step: int) -> Scalar:
    """Validation minus training loss of the kept weights (`loss_gap`); at most a limit.

    Raises:
        DataError: the log has no validation loss, or no training loss, up to that step.
    """
    remedy = f"it fits its training rows better than others: {_TOO_LONG}; add or deduplicate rows"
    return _nats("loss_gap", loss_gap(points, at_step=kept_step), points, kept_step, remedy=remedy)


def validation_rise(points: Sequence[TrainingPoint], kept_step: int) -> Scalar:
    """Rise of the validation loss from its lowest to the kept weights (`eval_loss_rise`); at most a limit.

    Raises:
        DataError: the log has no validation loss at or before that step.
    """
    remedy = f"the weights are not of the step that was best: {_TOO_LONG}"
    return _nats("eval_loss_rise", eval_loss_rise(points, at_step=kept_step), points, kept_step, remedy=remedy)


def _nats(name: str, value: float, points: Sequence[TrainingPoint], kept_step: int, *, remedy: str) -> Scalar:
    """A number of a log that has a validation loss up to `kept_step`, with the steps that validation losses are of."""
    evaluated = [(p.eval_loss, p.step) for p in points if p.eval_loss is not None]
    kept = [one for one in evaluated if one[1] <= kept_step][-1]
    lowest = min(evaluated, key=lambda one: one[0])
    details = {
        "kept_step": kept_step,
        "evaluated_at_step": kept[1],
        "eval_loss": kept[0],
        "lowest_at_step": lowest[1],
        "lowest_eval_loss": lowest[0],
    }
    return Scalar(name, value, unit="nats", higher_is_better=False, remedy=remedy, details=details)
