"""How an adapter was trained, as far as was logged: by our own log, or by that of another trainer."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.errors import AdapterError
from harness.json_files import read_json_object
from harness.models.trainers.record import TrainerLog
from harness.models.trainers.registry import read_training_log
from harness.records import TrainingPoint
from harness.training.cache import RECIPE_FILE
from harness.training.log import LOG_FILE, Series, TrainingLog, TrainingSummary, points_from_history, series_of
from harness.training.methods import WEIGHTED_SFT, MethodLog, Quantity, log_of
from harness.training.stages import STAGES_DIR

_CROSS_ENTROPIES = (None, "nll", "chunked_nll")
"""Values of SFT's `loss_type`."""
_LEAST_OF_WRONG = math.log(2)
_WELL_BELOW = 0.75

_RESTORE = "restore it, or remove it to do without"


@dataclass(frozen=True)
class TrainingHistory:
    """A training as it was logged.

    Attributes:
        source: the file it was read from, relative to the adapter.
        points: in step order, one a step.
        kept_step: the step whose weights the adapter holds.
        steps: optimizer steps taken.
        planned_steps: optimizer steps that were to be taken; None where nothing says so.
        trainer: the recipe's arguments of the trainer; None where the recipe did not come with the adapter.
        summary: counts of rows and parameters; None where another trainer wrote the log.
        logged: (step, value) pairs of what a Trainer logged at its steps, by its own keys; of our own log empty for SFT.
        evaluated: the same of its evaluations, by the keys without `eval_`.
        stated_method: what the trainer, or the recipe, calls its method, where it says so.
        stage: which one this is, where it was trained in stages: the weights may have moved on since.
    """

    source: str
    points: tuple[TrainingPoint, ...]
    kept_step: int
    steps: int
    planned_steps: int | None = None
    trainer: Mapping[str, Any] | None = None
    summary: TrainingSummary | None = None
    logged: Series = field(default_factory=dict)
    evaluated: Series = field(default_factory=dict)
    stated_method: str | None = None
    stage: str | None = None

    @property
    def method(self) -> MethodLog:
        """How it was trained, by what was logged; by what its trainer says, where the log has no marks of a method."""
        found = log_of(self.logged, self.stated_method)
        return WEIGHTED_SFT if found.loss_is_cross_entropy and self._weighs_tokens else found

    @property
    def _weighs_tokens(self) -> bool:
        """Whether the loss of answers to learn is another than their cross-entropy (DFT): by the recipe, or as it is too low.

        A token that the model does not put first has a probability of 1/2 at the most, so that no cross-entropy lies below log 2
        times the share of tokens that were wrong.
        """
        if (self.trainer or {}).get("loss_type") not in _CROSS_ENTROPIES:
            return True
        right = dict(self.logged.get("mean_token_accuracy", ()))
        over_least = [
            p.loss / (_LEAST_OF_WRONG * (1 - right[p.step]))
            for p in self.points
            if p.loss and math.isfinite(p.loss) and right.get(p.step, 1.0) < 1
        ]
        return bool(over_least) and statistics.median(over_least) < _WELL_BELOW

    def quantity(self, name: Quantity) -> list[tuple[int, float]]:
        """(step, value) of a quantity of its method up to the kept weights, finite ones only; empty where none was logged."""
        keys = self.method.keys.get(name, ())
        found = [
            [
                (step, value)
                for step, value in self.logged.get(key, ())
                if step <= self.kept_step and math.isfinite(value)
            ]
            for key in keys
        ]
        return next(filter(None, found), [])


def read_stage(directory: Path, stage: str) -> TrainingHistory:
    """How one of the stages went that something was trained in.

    Args:
        directory: of what the stages left in the end.

    Raises:
        AdapterError: the log or the recipe of the stage is not there, or torn.
    """
    kept = directory / STAGES_DIR / stage
    try:
        log = TrainingLog.read(kept)
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise AdapterError(f"{kept / LOG_FILE} cannot be read: {exc!r}", "train it again") from exc
    return replace(_of_log(log, _recipe(kept)), source=f"{STAGES_DIR}/{stage}/{LOG_FILE}", stage=stage)


def read_history(
    adapter: Path, log: TrainingLog | None, *, named: Path | None = None, method: str | None = None
) -> TrainingHistory | None:
    """The training of an adapter; None where nothing was logged.

    Args:
        adapter: its directory, as its trainer left it.
        log: our own log, where there is one.
        named: a log that lies elsewhere, which then counts.
        method: what the trainer calls its method, where that is known.

    Raises:
        AdapterError: a log is torn, or holds something else.
    """
    if log is not None:
        return _of_log(log, _recipe(adapter))
    found = read_training_log(adapter if named is None else named)
    if found is None and named is not None:
        raise AdapterError(
            f"{named} is not the log of a training that is known", "name a trainer's output directory, or its log"
        )
    return None if found is None else _of_trainer(found, method)


def _of_log(log: TrainingLog, recipe: Mapping[str, Any]) -> TrainingHistory:
    summary, trainer = log.summary, recipe.get("trainer")
    trainer = trainer if isinstance(trainer, dict) else None
    planned = int((trainer or {}).get("max_steps") or 0)
    if planned <= 0 and summary.stop_reason == "completed":
        planned = summary.steps
    return TrainingHistory(
        source=LOG_FILE,
        points=log.points,
        kept_step=summary.best_step,
        steps=summary.steps,
        planned_steps=planned if planned > 0 else None,
        trainer=trainer,
        summary=summary,
        logged=log.logged,
        evaluated=log.evaluated,
        stated_method=recipe.get("method"),
    )


def _of_trainer(log: TrainerLog, method: str | None) -> TrainingHistory:
    try:
        points, logged = points_from_history(log.history), series_of(log.history)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as exc:
        raise AdapterError(f"{log.source} is not the log of a training: {exc!r}", _RESTORE) from exc
    return TrainingHistory(
        source=log.source,
        points=points,
        kept_step=log.kept_step,
        steps=log.steps,
        planned_steps=log.planned_steps,
        logged=logged,
        evaluated=series_of(log.history, evaluated=True),
        stated_method=method,
    )


def _recipe(adapter: Path) -> Mapping[str, Any]:
    """The recipe that came with the adapter; empty where none did."""
    file = adapter / RECIPE_FILE
    return read_json_object(file, AdapterError, _RESTORE) if file.is_file() else {}
