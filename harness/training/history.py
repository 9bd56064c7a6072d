"""How an adapter was trained, as far as its directory tells: by our own log, or by a Trainer's `trainer_state.json`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import AdapterError
from harness.json_files import read_json_object
from harness.records import TrainingPoint
from harness.training.cache import RECIPE_FILE
from harness.training.log import LOG_FILE, TrainingLog, TrainingSummary, as_number, points_from_history
from harness.training.methods import Method, Quantity, method_of

STATE_FILE = "trainer_state.json"
_RESTORE = "restore it, or remove it to do without"
_CHECKPOINT = "checkpoint-"
_STEP_AT_END = re.compile(rf"{_CHECKPOINT}(\d+)[/\\]*$")


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
        logged: (step, value) pairs of what a Trainer logged at its steps, by its own keys; empty of our own log.
    """

    source: str
    points: tuple[TrainingPoint, ...]
    kept_step: int
    steps: int
    planned_steps: int | None = None
    trainer: Mapping[str, Any] | None = None
    summary: TrainingSummary | None = None
    logged: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)

    @property
    def method(self) -> Method:
        """How it was trained, by what was logged."""
        return method_of(self.logged)

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


def read_history(adapter: Path, log: TrainingLog | None) -> TrainingHistory | None:
    """The training of an adapter; None where its directory says nothing about it.

    A Trainer leaves its state beside each checkpoint, and beside the final weights only when asked to: without one there,
    that of the newest `checkpoint-*` below is read.

    Args:
        log: our own log, where there is one.
    """
    if log is not None:
        return _of_log(log, _trainer_arguments(adapter))
    beside = adapter / STATE_FILE
    found = [beside] if beside.is_file() else sorted(adapter.glob(f"{_CHECKPOINT}*/{STATE_FILE}"), key=_step_of)
    return _of_state(adapter, found[-1]) if found else None


def _of_log(log: TrainingLog, trainer: Mapping[str, Any] | None) -> TrainingHistory:
    summary = log.summary
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
    )


def _of_state(adapter: Path, file: Path) -> TrainingHistory:
    state = read_json_object(file, AdapterError, _RESTORE)
    try:
        points = points_from_history(state["log_history"])
        logged = _further(state["log_history"])
        steps, planned = int(state["global_step"]), int(state.get("max_steps") or 0)
        best = _best_step(state)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise AdapterError(f"{file} is not the state of a Trainer: {exc!r}", "restore it, or remove it") from exc
    # Weights beside their own state are of its step. Those above the checkpoints are what the Trainer ended with: the best
    # checkpoint, where it was told to look for one.
    is_checkpoint = file.parent == adapter and adapter.name.startswith(_CHECKPOINT)
    return TrainingHistory(
        source=file.relative_to(adapter).as_posix(),
        points=points,
        kept_step=steps if is_checkpoint or best is None else best,
        steps=steps,
        planned_steps=planned if planned > 0 else None,
        logged=logged,
    )


def _further(history: Sequence[Mapping[str, Any]]) -> Mapping[str, Sequence[tuple[int, float]]]:
    """What the entries of training steps hold; text that is no number is left out, for callbacks log what they like."""
    series: dict[str, list[tuple[int, float]]] = {}
    for entry in history:
        for key, value in entry.items():
            # a whole training's and an evaluation's figures stand in entries of their own
            if key != "step" and not key.startswith(("eval_", "train_")) and value is not None:
                with suppress(KeyError, TypeError, ValueError):
                    series.setdefault(key, []).append((int(entry["step"]), as_number(value)))
    return series


def _best_step(state: Mapping[str, Any]) -> int | None:
    """The step of the best checkpoint; older Trainers give its directory alone. None where none was looked for."""
    best = state.get("best_global_step")
    if best is not None:
        return int(best)
    named = _STEP_AT_END.search(str(state.get("best_model_checkpoint") or ""))
    return int(named[1]) if named else None


def _trainer_arguments(adapter: Path) -> Mapping[str, Any] | None:
    file = adapter / RECIPE_FILE
    if not file.is_file():
        return None
    trainer = read_json_object(file, AdapterError, _RESTORE).get("trainer")
    return trainer if isinstance(trainer, dict) else None


def _step_of(state: Path) -> int:
    step = state.parent.name.removeprefix(_CHECKPOINT)
    return int(step) if step.isdecimal() else -1
