"""Is the logged loss what it says it is: the mean cross-entropy of answers, neither exactly 0 nor several times itself?"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.errors import ModelError
from harness.gates import Check
from harness.json_files import read_json_object
from harness.records import TrainingPoint
from harness.training.history import TrainingHistory

_FEWEST_ZEROS = 2
# Trainers before transformers 5 round to 4 decimals: what was learnt by heart comes down to 0.0 through values like these.
_NEARLY_NOTHING = 1e-3
_SMALL_GRADIENT = 0.1
_FEWEST_EVALUATIONS = 3
_NEIGHBOURS = 5
# An untrained model that is worse than chance by a quarter says that the figure, or the model, is wrong.
_ABOVE_CHANCE = 1.25
_MASKED = (
    "check that max_length keeps the answers and that the template's markers of the assistant's part are found "
    "(assistant_only_loss, response_template)"
)
_BY_ACCUMULATION = (
    "transformers 4.46 logs the sum over the micro-batches of a step: divide by gradient_accumulation_steps, or train with a "
    "release that takes the mean; max_grad_norm clipped by the wrong norm, and limits in nats mean nothing of this log"
)


def losses_are_not_zero(history: TrainingHistory) -> Check | None:
    """No two logged training losses are exactly 0, for a cross-entropy never is.

    A Trainer leaves NaN losses out of the means it logs (`logging_nan_inf_filter`), and the mean over no labels is logged
    as 0 too. Zeros that are rounded do not count: their gradients are small but there, or losses came down to 0.001 before.
    None where no cross-entropy was logged.
    """
    losses = [(p, p.loss) for p in history.points if p.loss is not None]
    if not losses or not history.method.loss_is_cross_entropy:
        return None
    zeros = [p for p, loss in losses if loss == 0.0]
    found = len(zeros) >= _FEWEST_ZEROS and not _rounded(losses, zeros)
    if not found:
        reason = (
            "no logged training loss is exactly 0"
            if not zeros
            else f"{len(zeros)} of {len(losses)} losses are 0, as rounding makes them"
        )
        return Check("losses_not_zero", True, reason, details={"read_from": history.source})
    last_good, between = _around(losses, zeros)
    return Check(
        "losses_not_zero",
        False,
        f"the loss is exactly 0 at {len(zeros)} of {len(losses)} logged steps, first at step {zeros[0].step}: "
        f"{_cause(last_good, between)}",
        remedy=_remedy(last_good, between),
        details={
            "zero_at_steps": [p.step for p in zeros],
            "gradient_norms": sorted(
                {p.grad_norm for p in zeros if p.grad_norm is not None and math.isfinite(p.grad_norm)}
            ),
            "read_from": history.source,
        },
    )


def _rounded(losses: Sequence[tuple[TrainingPoint, float]], zeros: Sequence[TrainingPoint]) -> bool:
    norms = [p.grad_norm for p in zeros if p.grad_norm is not None]
    if not all(norm <= _SMALL_GRADIENT for norm in norms):
        return False
    if len(set(norms)) > 1:  # without a label they are all 0, and of NaN losses some trainers give the norm clipped to
        return True
    before = [loss for p, loss in losses if p.step < zeros[0].step]
    after = [loss for p, loss in losses if p.step > zeros[0].step]
    return bool(before) and before[-1] <= _NEARLY_NOTHING and max(after, default=0.0) <= 2 * _NEARLY_NOTHING


def _around(losses: Sequence[tuple[TrainingPoint, float]], zeros: Sequence[TrainingPoint]) -> tuple[int | None, bool]:
    """The last step before the first zero whose loss is a number, and whether such losses stand between the zeros too."""
    first, last = zeros[0].step, zeros[-1].step
    numbers = [p.step for p, loss in losses if loss != 0.0 and math.isfinite(loss)]
    before = [step for step in numbers if step < first]
    return before[-1] if before else None, any(first < step < last for step in numbers)


def _cause(last_good: int | None, between: bool) -> str:
    if between:
        return "batches without a label, or with a loss that is no number"
    if last_good is None:
        return "no label was ever trained on, or the loss was never a number"
    return "losses that are no number were left out of the mean that is logged, or the weights collapsed"


def _remedy(last_good: int | None, between: bool) -> str:
    if between:
        return f"{_MASKED}; set logging_nan_inf_filter: false to see which steps they are"
    if last_good is None:
        return f"use no checkpoint of this training; {_MASKED}, and train in bfloat16, not float16"
    return (
        f"use no checkpoint after step {last_good}; lower the learning rate, train in bfloat16, not float16, and set "
        "logging_nan_inf_filter: false to see the first bad step"
    )


def loss_has_its_scale(history: TrainingHistory, base: Path | None, limit: float) -> Check | None:
    """The training loss is not several times what the rest of the log says it can be. None as for `losses_are_not_zero`.

    It is held against three things: that of guessing any token of the vocabulary, of a base in a directory; the validation
    loss, which gradient accumulation does not touch (at every evaluation the training loss lies above it by the same factor
    of more than `limit`); and the entropy and accuracy of the predicted tokens.

    Args:
        base: its directory; None where it is served.

    Raises:
        ModelError: the base's configuration cannot be read.
    """
    losses = [p.loss for p in history.points if p.loss is not None]
    if not losses or not history.method.loss_is_cross_entropy:
        return None
    vocabulary = 0 if base is None else _vocabulary(base)
    said, against = [], []
    if vocabulary:
        against.append("guessing a token")
        guessed = math.log(vocabulary)
        if losses[0] > _ABOVE_CHANCE * guessed:
            said.append(f"the first is {losses[0]:.3g}, and guessing among {vocabulary} tokens makes {guessed:.3g}")
    ratios = _over_validation(history)
    if len(ratios) >= _FEWEST_EVALUATIONS:
        against.append("validation")
        if min(ratios) > limit:
            said.append(f"it is {min(ratios):.3g} to {max(ratios):.3g} times the validation loss at every evaluation")
    excess = _over_fano(history, vocabulary, limit)
    if excess is not None:
        against.append("entropy and token accuracy")
        if excess > 1.0:
            said.append(f"it is {excess:.3g} times the most that the entropy and accuracy logged beside it allow")
    return Check(
        "loss_scale",
        holds=not said,
        reason=f"the training loss is too high to be a mean: {'; '.join(said)}"
        if said
        else f"the training loss is no multiple of itself, held against {', '.join(against) or 'nothing: no figure to do so'}",
        remedy=_BY_ACCUMULATION,
        details={"times_validation": ratios, "times_the_most": excess, "read_from": history.source},
    )


def _over_validation(history: TrainingHistory) -> list[float]:
    """Training over validation loss at each evaluation; none where other rows were mixed in, whose loss is another."""
    if history.summary is not None and history.summary.rehearsal_rows:
        return []
    ratios = []
    for point in history.points:
        before = [p.loss for p in history.points if p.loss is not None and p.step <= point.step][-_NEIGHBOURS:]
        if point.eval_loss and math.isfinite(point.eval_loss) and before:
            ratios.append(statistics.fmean(before) / point.eval_loss)
    return [ratio for ratio in ratios if math.isfinite(ratio)]


def _over_fano(history: TrainingHistory, vocabulary: int, limit: float) -> float | None:
    """The loss in the second half of the log over the most that it can be of a model with the entropy and the token accuracy
    logged beside it; None where they were not.

    Fano's inequality: with an error rate e a calibrated model's entropy is at most h(e) + e log(V - 1) (Cover and Thomas
    2006, 2.10). Of one that is not, loss and entropy say which it is: the entropy, `limit` times, counts where it is more.
    """
    entropy, accuracy = (dict(history.logged.get(key, ())) for key in ("entropy", "mean_token_accuracy"))
    logged = [
        (p.loss, entropy[p.step], accuracy[p.step])
        for p in history.points
        if p.loss is not None and p.step in entropy and p.step in accuracy
    ]
    late = [values for values in logged[len(logged) // 2 :] if all(map(math.isfinite, values))]
    if len(late) < _FEWEST_EVALUATIONS or vocabulary < 2:
        return None
    loss, uncertainty, right = map(statistics.fmean, zip(*late, strict=True))
    error = min(max(1 - right, 0.0), 1.0)
    by_error = -sum(p * math.log(p) for p in (error, 1 - error) if p > 0) + error * math.log(vocabulary - 1)
    most = max(by_error, limit * uncertainty)
    return loss / most if most else None


def _vocabulary(base: Path) -> int:
    """Tokens of the base; 0 where its configuration names no number."""
    config: dict[str, Any] = read_json_object(base / "config.json", ModelError, "restore it")
    text = config.get("text_config")
    size = config.get("vocab_size") or (text.get("vocab_size") if isinstance(text, dict) else None)
    return size if isinstance(size, int) else 0
