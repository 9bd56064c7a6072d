"""Overfitting of a training on preferences or rewards, as its log shows it: what held on rows that were evaluated on.

A loss of these methods is in no common unit: that of sigmoid DPO starts at log 2, IPO's at 25, GRPO's is 0 by its making.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from harness.checks.overfitting.pair_margins import percent, points
from harness.checks.training.curves import noise
from harness.checks.training.quantities import NOISE_ERRORS, quarter, shown, values_of
from harness.gates import BoundRule, Scalar
from harness.gates.wording import between
from harness.stats import Interval, mean_interval, wilson
from harness.stats.mean import independent_difference
from harness.training.history import TrainingHistory
from harness.training.methods import Quantity

_MORE_PAIRS = "give the data more validation rows"
_SWAPPED = (
    "check that better and worse answers (or labels) are not swapped in either part, and that both are of one kind; look whether "
    "the better ones of training alone are longer; lower the learning rate, keep an earlier checkpoint"
)
_BY_HEART = "it has learnt its pairs by heart: train for fewer epochs or keep an earlier checkpoint, lower r, add pairs"


def held_out_accuracy(history: TrainingHistory, limit: float) -> BoundRule | None:
    """Share of validation pairs whose better answer is ahead, at the kept weights; at least a limit.

    The interval is that of so many pairs as were evaluated. None where they were not, or their number is not known.
    """
    pairs = _right(history)
    if pairs is None:
        return None
    return BoundRule(
        "held_out_accuracy",
        "at_least",
        limit,
        measure=lambda confidence: wilson(pairs, confidence=confidence),
        level=lambda share: f"the better answer is ahead in {between(share, percent)} of the validation pairs",
        bound=percent,
        higher_is_better=True,
        independent=len(pairs),
        remedy=f"preferences do not hold on pairs that were held out: {_SWAPPED}",
        needs=_MORE_PAIRS,
        details=shown(history, pairs=len(pairs)),
    )


def accuracy_gap(history: TrainingHistory, limit: float) -> BoundRule | None:
    """That share at the end of training (the last quarter up to the kept weights) less that of validation pairs; at most a limit.

    None as for `held_out_accuracy`, or where too little was logged.
    """
    pairs, trained = _right(history), values_of(history, "accuracy")
    if pairs is None or trained is None:
        return None
    last = trained[-quarter(trained) :]

    def measure(confidence: float) -> Interval:
        return independent_difference(mean_interval(last, confidence=confidence), wilson(pairs, confidence=confidence))

    return BoundRule(
        "accuracy_gap",
        "at_most",
        limit,
        measure=measure,
        level=lambda gap: (
            f"the better answer is ahead more often in training than in validation by {between(gap, points)}"
        ),
        bound=points,
        independent=len(pairs),
        remedy=_BY_HEART,
        needs=_MORE_PAIRS,
        details=shown(history, training=statistics.fmean(last), validation=statistics.fmean(pairs)),
    )


def held_out_margin(history: TrainingHistory) -> Scalar | None:
    """Margin of better over worse validation answers at the kept weights, of methods that count no pairs (KTO); at least a limit.

    None where it was not evaluated.
    """
    found = [] if _evaluated(history, "accuracy") else _evaluated(history, "margin")
    if not found:
        return None
    return Scalar(
        "held_out_margin",
        found[-1][1],
        remedy=f"answers that are wanted do not gain over others on rows that were held out: {_SWAPPED}",
        details=shown(history, evaluated_at_step=found[-1][0]),
    )


def held_out_reward(history: TrainingHistory) -> Scalar | None:
    """Rise of the reward on validation prompts as a share of its rise in training over the same steps; at least a limit.

    From the first evaluation to that of the kept weights. One standard error of a mean over so many prompts is given to it: the
    same prompts are asked each time, so that their difference errs less.
    None where the training reward did not rise between two evaluations, beyond chance.
    """
    held_out, trained = _evaluated(history, "reward"), history.quantity("reward")
    if len(held_out) < 2:
        return None
    (start, before), (end, after) = held_out[0], held_out[-1]
    values = [value for _, value in trained]
    first, last = (_around(trained, at) for at in (start, end))
    if min(len(first), len(last)) < 2:
        return None
    rise = statistics.fmean(last) - statistics.fmean(first)
    if rise <= NOISE_ERRORS * noise(values) * math.sqrt(1 / len(first) + 1 / len(last)):
        return None
    prompts, spread = _rows(history, end), dict(history.evaluated.get("reward_std", ())).get(end, 0.0)
    error = spread / math.sqrt(prompts) if prompts else 0.0
    return Scalar(
        "held_out_reward",
        (after - before + error) / rise,
        remedy="the reward rose on training prompts alone: use more prompts and fewer passes over them, raise beta, keep an "
        "earlier checkpoint, and see that no prompt gives its answer away",
        details=shown(history, rise_in_training=rise, rise_held_out=after - before, prompts=prompts),
    )


def _around(series: Sequence[tuple[int, float]], at: int) -> list[float]:
    """The values nearest to a step, an eighth of all before it and as many after it: a reward may rise fast."""
    reach = max(2, len(series) // 8)
    before, after = ([value for step, value in series if (step <= at) is early] for early in (True, False))
    return [*before[-reach:], *after[:reach]]


def _evaluated(history: TrainingHistory, quantity: Quantity) -> list[tuple[int, float]]:
    """(step, value) of evaluations up to the kept weights."""
    for key in history.method.keys.get(quantity, ()):
        found = [(step, value) for step, value in history.evaluated.get(key, ()) if step <= history.kept_step]
        if found:
            return [one for one in found if math.isfinite(one[1])]
    return []


def _right(history: TrainingHistory) -> list[float] | None:
    """1 or 0 for each validation pair at the kept weights, as many of either as were counted."""
    found = _evaluated(history, "accuracy")
    if not found:
        return None
    step, share = found[-1]
    pairs = _rows(history, step)
    right = round(share * pairs)
    return [1.0] * right + [0.0] * (pairs - right) if pairs else None


def _rows(history: TrainingHistory, step: int) -> int:
    """How many rows were evaluated at a step: as it is counted, or by the time and the speed that every Trainer logs."""
    if history.summary is not None and history.summary.validation_rows:
        return history.summary.validation_rows
    seconds, speed = (dict(history.evaluated.get(key, ())).get(step, 0.0) for key in ("runtime", "samples_per_second"))
    return round(seconds * speed)
