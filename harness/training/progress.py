"""Training progress for people: a bar with the time left on a terminal, a log line now and then elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from transformers import TrainerCallback

from harness.training.log import VALIDATION

_log = logging.getLogger(__name__)

LOG_INTERVAL_S = 30.0


class TrainingProgress(TrainerCallback):  # type: ignore[misc]
    """Shows step, loss and time left. Call `close()` when training ends however it ends."""

    def __init__(self, name: str, *, terminal: bool | None = None) -> None:
        self._name = name
        self._bar = _new_bar() if (sys.stderr.isatty() if terminal is None else terminal) else None
        self._task: Any = None
        self._latest: dict[str, float] = {}
        self._started_s = self._logged_s = 0.0
        self._first_step = 0

    def close(self) -> None:
        """Take the bar off the terminal."""
        if self._bar is not None:
            self._bar.stop()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._started_s = self._logged_s = time.monotonic()
        self._first_step = state.global_step
        if self._bar is None:
            _log.info("training %s: %d steps", self._name, state.max_steps)
            return
        self._task = self._bar.add_task(self._name, total=state.max_steps, completed=state.global_step, figures="")
        self._bar.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=state.global_step)
        elif time.monotonic() - self._logged_s >= LOG_INTERVAL_S:
            self._log_line(state)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        shown = {"loss": "loss", "eval_loss": "eval_loss", f"eval_{VALIDATION}_loss": "eval_loss"}
        self._latest |= {name: float(logs[key]) for key, name in shown.items() if logs and key in logs}
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, figures=self._figures())

    def _log_line(self, state: Any) -> None:
        self._logged_s = time.monotonic()
        done = state.global_step - self._first_step
        left_s = (self._logged_s - self._started_s) / done * (state.max_steps - state.global_step)
        _log.info(
            "training %s: step %d of %d, about %.0f s left %s",
            self._name,
            state.global_step,
            state.max_steps,
            left_s,
            self._figures(),
        )

    def _figures(self) -> str:
        return "  ".join(f"{key} {value:.3f}" for key, value in self._latest.items())


def _new_bar() -> Progress:
    return Progress(
        TextColumn("training {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}"),
        console=Console(stderr=True),
    )
