"""Overfitting as a training log shows it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.errors import DataError
from harness.runs.schema import TrainingPoint

_NEIGHBOURS = 5


def loss_gap(points: Sequence[TrainingPoint], *, at_step: int) -> float:
    """Validation minus training loss at a checkpoint, in nats a token.

    Taken between losses evaluated alike where the log has both. A step's running loss is that of one batch, so
    otherwise the mean of the last few logged steps up to the checkpoint stands for training.

    Raises:
        DataError: the log has no validation loss, or no training loss, up to that step.
    """
    before = [p for p in points if p.step <= at_step]
    evaluated = [p.eval_loss for p in before if p.eval_loss is not None]
    alike = [p.train_eval_loss for p in before if p.train_eval_loss is not None]
    trained = alike[-1:] or [p.loss for p in before if p.loss is not None][-_NEIGHBOURS:]
    if not evaluated or not trained:
        missing = "validation" if not evaluated else "training"
        raise DataError(
            f"the training log has no {missing} loss up to step {at_step}",
            "train with validation data, eval_strategy: steps and a small logging_steps",
        )
    return evaluated[-1] - sum(trained) / len(trained)


def eval_loss_rise(points: Sequence[TrainingPoint], *, at_step: int) -> float:
    """How far the validation loss at a checkpoint lies above the lowest one of the whole log, in nats a token.

    0 where the best checkpoint was kept; infinite or NaN losses give NaN.

    Raises:
        DataError: the log has no validation loss at or before that step.
    """
    evaluated = [(p.step, p.eval_loss) for p in points if p.eval_loss is not None]
    kept = [loss for step, loss in evaluated if step <= at_step]
    if not kept:
        raise DataError(
            f"the training log has no validation loss up to step {at_step}",
            "train with validation data and eval_strategy: steps",
        )
    if not all(math.isfinite(loss) for _, loss in evaluated):
        return math.nan
    return kept[-1] - min(loss for _, loss in evaluated)
