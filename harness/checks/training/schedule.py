"""The learning rate a recipe plans for each step, by transformers' own schedules."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_DEFAULT_SCHEDULE = "linear"  # of transformers' TrainingArguments


@dataclass(frozen=True)
class Deviation:
    """Where the logged learning rate is farthest from the plan.

    Attributes:
        share: how far, as a share of the highest planned rate.
    """

    share: float
    step: int
    logged: float
    planned: float


def planned_rates(trainer: Mapping[str, Any], steps: int) -> list[float] | None:
    """Learning rate of each update, shape (steps + 1,): the plan's first entry is that of the first update.

    Args:
        trainer: arguments of `trl.SFTConfig`.
        steps: optimizer steps planned.

    Returns:
        None where the plan depends on how training went (`reduce_lr_on_plateau`, `greedy`), or names no learning rate.
    """
    import torch
    from torch.optim.lr_scheduler import LambdaLR
    from transformers import get_scheduler

    peak = trainer.get("learning_rate")
    if peak is None:
        return None
    warmup = trainer.get("warmup_steps") or trainer.get("warmup_ratio") or 0
    scheduler = get_scheduler(
        trainer.get("lr_scheduler_type", _DEFAULT_SCHEDULE),
        torch.optim.SGD([torch.zeros(1)], lr=float(peak)),
        # as TrainingArguments.get_warmup_steps: below 1 it is a share of all steps
        num_warmup_steps=math.ceil(steps * warmup) if warmup < 1 else int(warmup),
        num_training_steps=steps,
        scheduler_specific_kwargs=dict(trainer.get("lr_scheduler_kwargs") or {}),
    )
    if not isinstance(scheduler, LambdaLR):
        return None
    factor = scheduler.lr_lambdas[0]
    return [float(peak) * float(factor(update)) for update in range(steps + 1)]


def farthest_from_plan(logged: Sequence[tuple[int, float]], planned: Sequence[float]) -> Deviation:
    """The largest deviation of (step, rate) pairs from the plan.

    transformers 5 logs at step s the rate that update s was made with; older versions that of the next update. Whichever
    of the two readings fits the whole log better counts.

    Args:
        logged: one pair or more, steps from 1 to the number of planned updates.
    """
    return min((_farthest(logged, planned, shift) for shift in (1, 0)), key=lambda found: found.share)


def _farthest(logged: Sequence[tuple[int, float]], planned: Sequence[float], shift: int) -> Deviation:
    peak = max(planned) or 1.0
    plans = [planned[min(max(step - shift, 0), len(planned) - 1)] for step, _ in logged]
    found = [
        Deviation(abs(rate - plan) / peak, step, rate, plan) for (step, rate), plan in zip(logged, plans, strict=True)
    ]
    return max(found, key=lambda one: one.share)
