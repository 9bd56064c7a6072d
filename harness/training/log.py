"""The training log kept with an adapter: points over steps, and a summary."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness.json_files import load_json
from harness.records import TrainingPoint

LOG_FILE = "training_log.json"
LOG_SCHEMA = 1

StopCause = Literal["completed", "early_stopping"]
# Names of the data sets evaluated on where there are two.
VALIDATION = "validation"
TRAINED = "trained"
_LOGGED = {
    "loss": "loss",
    "eval_loss": "eval_loss",
    f"eval_{VALIDATION}_loss": "eval_loss",
    f"eval_{TRAINED}_loss": "train_eval_loss",
    "grad_norm": "grad_norm",
    "learning_rate": "learning_rate",
    "num_tokens": "tokens",
}
_NEVER_NULL = ("loss", "eval_loss", "train_eval_loss", "grad_norm")


@dataclass(frozen=True)
class TrainingSummary:
    """What a training run was.

    Attributes:
        duration_s: wall time of training with its evaluations, summed over resumed parts.
        steps: optimizer steps taken.
        best_step: step of the checkpoint that was kept: the lowest eval_loss, or the last.
        best_eval_loss: nats per completion token; None without validation rows.
        trainable_share: trainable parameters over all parameters.
        rows, validation_rows: rows trained and validated on, after truncation dropped the hopeless.
        rehearsal_rows: general rows that were mixed in beside `rows`.
        truncated_rows: training rows cut at max_length.
        masked_rows: training rows left out because max_length cut their whole answer.
        answer_tokens: mean length of the preferred or wanted answers that were weighed; None where none were.
        peak_memory_bytes: largest resident size of the whole process; None where the system does not say.
    """

    duration_s: float
    steps: int
    best_step: int
    best_eval_loss: float | None
    trainable_params: int
    trainable_share: float
    rows: int
    validation_rows: int
    truncated_rows: int
    longest_row_tokens: int
    stop_reason: StopCause
    peak_memory_bytes: int | None
    device: str
    dtype: str
    rehearsal_rows: int = 0
    masked_rows: int = 0
    answer_tokens: float | None = None


Series = Mapping[str, Sequence[tuple[int, float]]]
"""Key of a log -> (step, value) pairs."""


@dataclass(frozen=True)
class TrainingLog:
    """Points in step order, one a step, and the summary.

    Attributes:
        logged: what else the method logs at its steps, by TRL's own keys: rewards, margins, lengths and the like.
        evaluated: the same of evaluations, by the keys without `eval_`.
    """

    points: tuple[TrainingPoint, ...]
    summary: TrainingSummary
    logged: Series = field(default_factory=dict)
    evaluated: Series = field(default_factory=dict)

    def write(self, directory: Path) -> None:
        """Store as `training_log.json`."""
        document = {
            "schema": LOG_SCHEMA,
            "summary": asdict(self.summary),
            "points": [asdict(point) for point in self.points],
            **{key: series for key in ("logged", "evaluated") if (series := getattr(self, key))},
        }
        (directory / LOG_FILE).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, directory: Path) -> TrainingLog:
        """The inverse of `write`; raises OSError, ValueError, KeyError or TypeError on a missing or foreign file."""
        document = load_json((directory / LOG_FILE).read_text(encoding="utf-8"))
        return cls(
            points=tuple(TrainingPoint(**point) for point in document["points"]),
            summary=TrainingSummary(**document["summary"]),
            **{key: _pairs(document.get(key, {})) for key in ("logged", "evaluated")},
        )


def points_from_history(history: Sequence[Mapping[str, Any]]) -> tuple[TrainingPoint, ...]:
    """Points from a Trainer's `log_history`; training and evaluation entries of one step become one point.

    Raises:
        TypeError, ValueError: a value is no number.
    """
    merged: dict[int, dict[str, Any]] = {}
    for entry in history:
        values = {ours: as_number(entry[theirs]) for theirs, ours in _LOGGED.items() if _has(entry, theirs)}
        if not values.keys() & {"loss", "eval_loss", "train_eval_loss"}:
            continue
        if "tokens" in values:
            values["tokens"] = int(values["tokens"])
        merged.setdefault(int(entry["step"]), {}).update(values, epoch=entry.get("epoch"))
    return tuple(TrainingPoint(step=step, **merged[step]) for step in sorted(merged))


def series_of(history: Sequence[Mapping[str, Any]], *, evaluated: bool = False) -> Series:
    """What the entries of training steps hold, or those of evaluations; text that is no number is left out, for callbacks log
    what they like."""
    series: dict[str, list[tuple[int, float]]] = {}
    for entry in history:
        for key, value in entry.items():
            # a whole training's and an evaluation's figures stand in entries of their own
            if key == "step" or key.startswith("train_") or key.startswith("eval_") != evaluated or value is None:
                continue
            with suppress(KeyError, TypeError, ValueError):
                series.setdefault(key.removeprefix("eval_"), []).append((int(entry["step"]), as_number(value)))
    return series


def _pairs(series: Mapping[str, Any]) -> Series:
    return {key: [(int(step), float(value)) for step, value in values] for key, values in series.items()}


def as_number(value: Any) -> float:
    """A logged number: JSON knows no NaN, so that some write it as null or as text ("nan", "Infinity").

    Raises:
        TypeError, ValueError: it is none.
    """
    return math.nan if value is None else float(value)


def _has(entry: Mapping[str, Any], key: str) -> bool:
    # a loss or norm of null was computed and is no number; anything else of null was not computed
    return entry.get(key) is not None or (key in entry and _LOGGED[key] in _NEVER_NULL)
