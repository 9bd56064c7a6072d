"""Training as its log shows it: whether the loss falls and stays low, where it jumps, and overfitting."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from harness.errors import DataError
from harness.records import TrainingPoint

_NEIGHBOURS = 5
_FIRST_PART_OF_THE_FALL = 0.25
_FIRST_LOSSES = 3
_ABOVE_START = 1.25
_SPIKE_WINDOW = 20
_SPIKE_TIMES = 3.0
_FEWEST_IN_MEAN = 3
_NOISE_ERRORS = 3.0


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


def loss_drop(points: Sequence[TrainingPoint]) -> tuple[float, float]:
    """How far the training loss falls from beginning to end, as a share of where it begins, and its standard error.

    Begin and end are means of the first tenth and the last fifth of the logged losses, three or more each where there are
    six: that of a single batch says little. The error is that of batches unlike each other, and 0 with fewer than three
    losses. NaN without two losses, or where it begins at 0.
    """
    losses = [loss for _, loss in _logged(points)]
    if len(losses) < 2:
        return math.nan, 0.0
    start, end = _start_and_end(losses)
    first, last = _sizes(len(losses))
    if not start:
        return math.nan, 0.0
    error = noise(losses) / abs(start) * math.sqrt(1 / last + (end / start) ** 2 / first)  # of end / start
    return 1 - end / start, error


def plateau_share(points: Sequence[TrainingPoint]) -> float:
    """Share of the training that passes before the loss has fallen by a quarter of all it will fall; 1 if it never does.

    Losses are smoothed over a tenth of the log. NaN without two losses.
    """
    logged = _logged(points)
    if len(logged) < 2:
        return math.nan
    losses = [loss for _, loss in logged]
    start, end = _start_and_end(losses)
    if end >= start:
        return 1.0
    wanted = start - _FIRST_PART_OF_THE_FALL * (start - end)
    window = max(1, len(losses) // 10)
    smooth = [statistics.fmean(losses[max(0, i + 1 - window) : i + 1]) for i in range(len(losses))]
    fallen = next(i for i, value in enumerate(smooth) if value <= wanted or i == len(smooth) - 1)
    first, last = logged[0][0].step, logged[-1][0].step
    return (logged[fallen][0].step - first) / (last - first)


def loss_rise(points: Sequence[TrainingPoint], *, at_step: int) -> float:
    """How far the training loss at a checkpoint lies above the lowest before it, as a share of where it began.

    Both are means of a fifth of the losses logged until then, three or more. Three standard errors of their difference
    are taken off, so that uneven batches are no rise. 0 where the losses do not make two such means.
    """
    losses = [loss for point, loss in _logged(points) if point.step <= at_step]
    size = max(_FEWEST_IN_MEAN, len(losses) // 5)
    if len(losses) < 2 * size:
        return 0.0
    means = [statistics.fmean(losses[i : i + size]) for i in range(len(losses) - size + 1)]
    rise = means[-1] - min(means) - _NOISE_ERRORS * noise(losses) * math.sqrt(2 / size)
    start, _ = _start_and_end(losses)
    return max(0.0, rise) / abs(start) if start else math.nan


def spikes(points: Sequence[TrainingPoint]) -> list[TrainingPoint]:
    """Points whose training loss jumps: above where training began, or far above all that came shortly before.

    That is the highest loss of its first tenth, for those of small batches of short answers lie far apart. Far above is three
    times the ninth tenth of the 20 losses before and half of where it began: rows of another kind (rehearsal) make losses
    uneven, and their mean a poor guide. The first points have nothing before them and are not judged.
    """
    logged = _logged(points)
    losses = [loss for _, loss in logged]
    if len(losses) <= _FIRST_LOSSES:
        return []
    start = max(losses[: max(_FIRST_LOSSES, len(losses) // 10)])
    return [
        point
        for i, (point, loss) in enumerate(logged)
        if i >= _FIRST_LOSSES
        and (loss > _ABOVE_START * start or loss > max(_SPIKE_TIMES * _usual(losses, i), start / 2))
    ]


def highest_jump(points: Sequence[TrainingPoint]) -> tuple[TrainingPoint, float] | None:
    """The point whose training loss is farthest above all it can be measured by, and how many times that it is.

    That is what came shortly before, as of `spikes`, or the highest of the first three losses, whichever is more. None
    where there is nothing to judge.
    """
    logged = _logged(points)
    losses = [loss for _, loss in logged]
    first = max(losses[:_FIRST_LOSSES], default=0.0)
    if first <= 0 or len(losses) <= _FIRST_LOSSES:
        return None
    times = {i: losses[i] / max(first, _usual(losses, i)) for i in range(_FIRST_LOSSES, len(losses))}
    highest = max(times, key=times.__getitem__)
    return logged[highest][0], times[highest]


def _usual(losses: Sequence[float], at: int) -> float:
    """The ninth tenth of the losses shortly before one."""
    before = sorted(losses[max(0, at - _SPIKE_WINDOW) : at])
    return before[min(len(before) - 1, math.floor(0.9 * len(before)))]


def _logged(points: Sequence[TrainingPoint]) -> list[tuple[TrainingPoint, float]]:
    """The points that have a finite training loss, each with it."""
    return [(p, p.loss) for p in points if p.loss is not None and math.isfinite(p.loss)]


def _start_and_end(losses: Sequence[float]) -> tuple[float, float]:
    first, last = _sizes(len(losses))
    return statistics.fmean(losses[:first]), statistics.fmean(losses[-last:])


def _sizes(count: int) -> tuple[int, int]:
    fewest = min(_FEWEST_IN_MEAN, count // 2)
    return max(fewest, count // 10), max(fewest, count // 5)


def noise(losses: Sequence[float]) -> float:
    """Standard deviation of one loss: how far each lies off the line through its neighbours.

    Gasser et al. 1986, Biometrika 73(3), 625-633. 0 with fewer than three.
    """
    off_line = [(a + c) / 2 - b for a, b, c in zip(losses, losses[1:], losses[2:], strict=False)]
    return math.sqrt(statistics.fmean(off**2 for off in off_line) / 1.5) if off_line else 0.0
