"""Is the training log that of a healthy training? Numbers out of it, each a gate with the remedy for its usual cause.

Limits are for what is broken. What practice only advises goes into the details as a hint.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from harness.checks.training.curves import highest_jump, loss_drop, loss_rise, plateau_share, spikes
from harness.checks.training.gradients import gradient_norms
from harness.checks.training.schedule import farthest_from_plan, planned_rates
from harness.checks.training.wording import NOT_LEARNING, TOO_FAST, hints
from harness.gates import Check, Scalar
from harness.training.history import TrainingHistory
from harness.training.methods import Quantity

LEAST_LOSSES = 5
"""Logged training losses below which a curve says nothing."""

_FEWEST_SPIKES = 3
_SHOWN = 20
_LOSS_SCALING_SHARE = 0.05
_LOSS_SCALING_INTERVAL = 2000  # of torch's GradScaler
_VALUES = ("loss", "eval_loss", "train_eval_loss", "grad_norm")
_ALSO_FINITE: tuple[Quantity, ...] = (
    "reward", "margin", "accuracy", "chosen_reward", "chosen_logp", "chosen_logp_per_token", "kl_per_token", "kl_per_answer",
)  # fmt: skip
_USUAL_SHARE = (0.001, 0.05)
_MEMORISED_LOSS = 0.3


def log_is_finite(history: TrainingHistory) -> Check:
    """No loss and no gradient norm is NaN or infinite, but for the norms of steps that dynamic loss scaling skipped.

    In float16 the scale begins too high and is doubled every 2,000 steps, and a step that overflows is not taken: its norm is
    no number, its loss is one, and so are later norms, for weights that such a gradient had reached would give none. That
    is forgiven in the first 5% of the steps, and once every 2,000 later on. A Trainer may leave NaN losses out of the means
    it logs (`logging_nan_inf_filter`); gradient norms tell all the same. Nor is what a method is for (rewards, margins, KL)
    without a number: all but a NaN before a number, the mean over a batch that had no row of one kind.
    """
    scaling = _skipped_steps(history)
    broken = [
        {"step": p.step, "quantity": name, "value": str(value)}
        for p in history.points
        for name in _VALUES
        if (value := getattr(p, name)) is not None
        and not math.isfinite(value)
        and not (name == "grad_norm" and p.step in scaling)
    ]
    broken += [
        {"step": step, "quantity": key, "value": str(value)}
        for quantity in _ALSO_FINITE
        for key in history.method.keys.get(quantity, ())
        for step, value in _without_gaps(history.logged.get(key, ()))
        if not math.isfinite(value)
    ]
    logged = sum(getattr(p, name) is not None for p in history.points for name in _VALUES)
    first = f"{broken[0]['quantity']} is {broken[0]['value']} at step {broken[0]['step']}" if broken else ""
    finite = "every logged value is finite"
    if scaling:
        finite += f", but for the gradient norm of {len(scaling)} steps that loss scaling skipped"
    return Check(
        "finite_log",
        holds=not broken,
        reason=f"{len(broken)} logged values are not finite: {first}" if broken else finite,
        remedy=f"use no checkpoint after that step; {TOO_FAST}",
        details={
            "not_finite": broken[:_SHOWN],
            "read_from": history.source,
            **({"skipped_by_loss_scaling": scaling} if scaling else {}),
        },
        looked_at=logged,
    )


def loss_falls(history: TrainingHistory) -> Scalar:
    """Fall of the training loss as a share of where it began (`loss_drop`); at least a limit.

    A last loss under 0.3 nats a token on free text hints at memorising; structured answers go lower legitimately.
    """
    losses = [p.loss for p in history.points if p.loss is not None]
    last = statistics.fmean(losses[-LEAST_LOSSES:])
    low = f"the last losses are below {_MEMORISED_LOSS} nats: on free text that is memorising; compare with validation"
    shown = {"first_losses": losses[:LEAST_LOSSES], "last_losses": losses[-LEAST_LOSSES:]}
    drop, error = loss_drop(history.points)
    return Scalar(
        "loss_drop",
        drop,
        error=error,
        remedy=f"nothing was learnt: {NOT_LEARNING}",
        details={**shown, **hints((last < _MEMORISED_LOSS, low))},
    )


def learns_from_the_start(history: TrainingHistory) -> Scalar:
    """Share of the training before the loss has fallen by a quarter of all it falls; at most a limit."""
    return Scalar(
        "plateau_share",
        plateau_share(history.points),
        higher_is_better=False,
        remedy=f"the loss is flat at the start: shorten the warm-up; {NOT_LEARNING}",
    )


def loss_stays_low(history: TrainingHistory) -> Scalar:
    """Rise of the training loss from its lowest to the kept weights, as a share of its start (`loss_rise`); at most a limit."""
    return Scalar(
        "loss_rise",
        loss_rise(history.points, at_step=history.kept_step),
        higher_is_better=False,
        remedy=f"what was learnt was lost again: keep an earlier checkpoint; {TOO_FAST}",
        details={"kept_step": history.kept_step, "read_from": history.source},
    )


def loss_does_not_spike(history: TrainingHistory) -> Scalar:
    """Share of logged losses that jump (`harness.checks.training.curves.spikes`); at most a limit.

    One or two that stay below where training began are in the details but not counted: with small batches of mixed rows
    they are chance, and in a short log they are a large share.
    """
    jumps = spikes(history.points)
    logged = sum(p.loss is not None for p in history.points)
    first = next((p.loss for p in history.points if p.loss is not None), math.inf)
    high = any((p.loss or 0.0) > first for p in jumps)
    counted = len(jumps) if high or len(jumps) >= _FEWEST_SPIKES else 0
    more = f" and {len(jumps) - 3} more" if len(jumps) > 3 else ""
    steps = ", ".join(str(p.step) for p in jumps[:3]) + more
    return Scalar(
        "spike_share",
        counted / logged if logged else math.nan,
        higher_is_better=False,
        remedy=f"the loss jumps at step {steps}: {TOO_FAST}" if jumps else "",
        details={"spikes": [{"step": p.step, "loss": p.loss, "grad_norm": p.grad_norm} for p in jumps[:_SHOWN]]},
    )


def no_jump_is_high(history: TrainingHistory) -> Scalar:
    """Largest jump of the training loss, as a multiple of where it began or came from (`highest_jump`); at most a limit.

    However long the log, one loss far above that of an untrained adapter means that weights or rows went wrong there.
    """
    found = highest_jump(history.points)
    point, times = found if found is not None else (None, 0.0)
    return Scalar(
        "spike_height",
        times,
        higher_is_better=False,
        remedy=f"the loss jumps at step {point.step}: {TOO_FAST}" if point else "",
        details={"step": point.step, "loss": point.loss, "grad_norm": point.grad_norm} if point else {},
    )


def learning_rate_keeps_to_plan(history: TrainingHistory) -> Scalar | None:
    """Largest deviation of the logged learning rate from the recipe's schedule, as a share of its peak; at most a limit.

    None where the recipe, the number of steps or the rate is not known, or the schedule follows the loss.
    """
    logged = [(p.step, p.learning_rate) for p in history.points if p.learning_rate is not None]
    if history.trainer is None or history.planned_steps is None or not logged:
        return None
    planned = planned_rates(history.trainer, history.planned_steps)
    if planned is None:
        return None
    worst = farthest_from_plan(logged, planned)
    return Scalar(
        "learning_rate_deviation",
        worst.share,
        higher_is_better=False,
        remedy=f"at step {worst.step} the rate was {worst.logged:.3g}, planned were {worst.planned:.3g}: a training resumed "
        "with other arguments, or another optimizer or scheduler than the recipe names; train again from the start",
        details={"step": worst.step, "logged": worst.logged, "planned": worst.planned, "of_peak": max(planned)},
    )


def trainable_share(adapter: Path, base: Path) -> Scalar | None:
    """The adapter's parameters over the base's, counted in their safetensors files; at most a limit.

    None where the base keeps its weights in another format.

    Raises:
        AdapterError: a file of weights is damaged.
    """
    from harness.models.adapters.files import WEIGHTS

    ours, all_of_base = _parameters(adapter / WEIGHTS), sum(map(_parameters, base.glob("model*.safetensors")))
    if not all_of_base:
        return None
    share, (low, high) = ours / all_of_base, _USUAL_SHARE
    usual = f"{share:.2%} of the base's parameters are trained; usual are {low:.1%} to {high:.0%}"
    return Scalar(
        "trainable_share",
        share,
        higher_is_better=False,
        remedy="this is nearly a full fine-tune: lower r, name fewer target_modules, or drop modules_to_save",
        details={
            "adapter_parameters": ours,
            "base_parameters": all_of_base,
            **hints((not low <= share <= high, usual)),
        },
    )


def truncated_share(history: TrainingHistory) -> Scalar | None:
    """Share of the training rows that max_length cut; at most a limit. None where another trainer wrote the log."""
    summary = history.summary
    if summary is None:
        return None
    return Scalar(
        "truncated_share",
        summary.truncated_rows / (summary.rows + summary.masked_rows),
        higher_is_better=False,
        remedy=f"a cut row lost its EOS and teaches not to stop: set trainer.max_length to {summary.longest_row_tokens}",
        details={"truncated_rows": summary.truncated_rows, "longest_row_tokens": summary.longest_row_tokens},
    )


def masked_share(history: TrainingHistory) -> Scalar | None:
    """Share of the training rows of which no token was trained on; at most a limit. None as for `truncated_share`."""
    summary = history.summary
    if summary is None:
        return None
    return Scalar(
        "masked_share",
        summary.masked_rows / (summary.rows + summary.masked_rows),
        higher_is_better=False,
        remedy="their prompts alone fill max_length: raise trainer.max_length, or shorten these prompts",
        details={"masked_rows": summary.masked_rows},
    )


def kept_share(history: TrainingHistory) -> Scalar | None:
    """How much of the planned training the kept weights have seen; at least a limit. None where no plan is known.

    A best checkpoint at the very beginning means that training made things worse almost at once.
    """
    if history.planned_steps is None:
        return None
    early = history.summary is not None and history.summary.stop_reason == "early_stopping"
    stopped = f"stopped early, at step {history.steps} of {history.planned_steps}"
    return Scalar(
        "kept_share",
        history.kept_step / history.planned_steps,
        remedy="validation was best almost at once: lower the learning rate, evaluate more often, and check that validation "
        "rows are of the kind that is trained on",
        details={
            "kept_step": history.kept_step,
            "steps": history.steps,
            "planned_steps": history.planned_steps,
            **hints((early, stopped)),
        },
    )


def _skipped_steps(history: TrainingHistory) -> list[int]:
    """Steps whose gradient was no number and did no harm, as many as loss scaling explains."""
    last = max(gradient_norms(history), default=-1)
    skipped = [
        p.step
        for p in history.points
        if p.step < last and p.grad_norm is not None and not math.isfinite(p.grad_norm) and _is_number(p.loss)
    ]
    early = [step for step in skipped if step <= math.ceil(_LOSS_SCALING_SHARE * history.steps)]
    return skipped[: len(early) + history.steps // _LOSS_SCALING_INTERVAL]


def _is_number(loss: float | None) -> bool:
    # a loss of 0 stands where NaN ones were left out of the mean
    return bool(loss) and loss is not None and math.isfinite(loss)


def _without_gaps(values: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Without each NaN that a number comes after."""
    last = max((step for step, value in values if math.isfinite(value)), default=-1)
    return [(step, value) for step, value in values if step > last or not math.isnan(value)]


def _parameters(weights: Path) -> int:
    from harness.models.adapters.weights import read_tensor_headers

    return sum(math.prod(header.shape) for header in read_tensor_headers(weights).values())
