"""One line of a training log."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingPoint:
    """One line of a training log. Losses in nats per token; a field is None where it was not logged.

    `train_eval_loss` is that of a sample of the training rows, taken as `eval_loss` is: where other rows are mixed in,
    the running `loss` says little about what was learnt of these.
    """

    step: int
    epoch: float | None = None
    loss: float | None = None
    eval_loss: float | None = None
    train_eval_loss: float | None = None
    grad_norm: float | None = None
    learning_rate: float | None = None
    tokens: int | None = None
