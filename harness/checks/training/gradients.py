"""Are the logged gradients those of something that learns: neither endless nor nothing?"""

from __future__ import annotations

import math
import statistics

from harness.checks.training.wording import NOT_LEARNING, TOO_FAST, hints
from harness.gates import Scalar
from harness.training.history import TrainingHistory

_LEARNT = 0.05  # of the first loss
_HEALTHY_NORM = (0.05, 10.0)


def largest_gradient(history: TrainingHistory) -> Scalar | None:
    """Largest gradient norm before clipping; at most a limit. None where none was logged.

    Gradients are as long as their loss is high: where that is no cross-entropy, norms are divided by the first loss above 1
    (IPO's is 25).
    """
    norms = gradient_norms(history)
    if not norms:
        return None
    first = next((abs(p.loss) for p in history.points if p.loss is not None and math.isfinite(p.loss)), 1.0)
    scale = 1.0 if history.method.loss_is_cross_entropy else max(1.0, first)
    norms = {step: norm / scale for step, norm in norms.items()}
    step = max(norms, key=norms.__getitem__)
    middle, (low, high) = statistics.median(norms.values()), _HEALTHY_NORM
    clip = (history.trainer or {}).get("max_grad_norm")
    clipped = sum(norm * scale > clip for norm in norms.values()) / len(norms) if clip else 0.0
    unusual = f"the median norm {middle:.3g} is outside the usual {low:g} to {high:g}"
    often = f"{clipped:.0%} of the steps were clipped to max_grad_norm: the learning rate may be high"
    return Scalar(
        "largest_gradient",
        norms[step],
        higher_is_better=False,
        remedy=f"the gradient is longest at step {step}: {TOO_FAST}; set max_grad_norm",
        details={
            "step": step,
            "median": middle,
            "clipped_share": clipped,
            **hints((not low <= middle <= high, unusual), (clipped > 0.5, often)),
        },
    )


def median_gradient(history: TrainingHistory) -> Scalar | None:
    """Median gradient norm of the steps that had something to learn; at least a limit. None where none was logged.

    What is learnt has no gradient any more: a loss below a twentieth of the first, and answers to one prompt that were all
    rewarded alike.
    """
    taught = _teaching_steps(history)
    norms = [norm for step, norm in gradient_norms(history).items() if step in taught]
    if not norms:
        return None
    middle = statistics.median(norms)
    return Scalar("median_gradient", middle, remedy=f"hardly any gradient reaches the adapter: {NOT_LEARNING}")


def _teaching_steps(history: TrainingHistory) -> set[int]:
    spread = history.quantity("spread")
    if spread:
        return {step for step, deviation in spread if deviation > 0}
    losses = [abs(p.loss) for p in history.points if p.loss is not None and math.isfinite(p.loss)]
    least = _LEARNT * losses[0] if losses and "reward" not in history.method.keys else 0.0
    return {p.step for p in history.points if p.loss is None or not abs(p.loss) < least}


def gradient_norms(history: TrainingHistory) -> dict[int, float]:
    """Step -> the finite norm logged there."""
    return {p.step: p.grad_norm for p in history.points if p.grad_norm is not None and math.isfinite(p.grad_norm)}
