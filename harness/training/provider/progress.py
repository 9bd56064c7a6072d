"""A job shown while it goes on: its status, step and loss, and what it says."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from typing import Any

from harness.engines.server.client import redact
from harness.errors import printable
from harness.training.bars import LOG_INTERVAL_S, training_bar

_log = logging.getLogger(__name__)

_MOST_TEXT = 300


class JobProgress:
    """Shows step, loss and time left on a terminal, elsewhere a line now and then. Call `close()` when it ends."""

    def __init__(self, name: str, job: str, *, terminal: bool | None = None) -> None:
        self._name, self._job = name, job
        self._bar = training_bar() if (sys.stderr.isatty() if terminal is None else terminal) else None
        self._task = self._bar.add_task(f"{name} ({job})", total=None, figures="") if self._bar is not None else None
        self._status = ""
        self._logged_s = time.monotonic()
        if self._bar is not None:
            self._bar.start()

    def close(self) -> None:
        """Take the bar off the terminal."""
        if self._bar is not None:
            self._bar.stop()

    def say_status(self, status: str) -> None:
        """Say what the job is doing, where that is new."""
        if status != self._status:
            self._status = status
            _log.info("training %s: job %s is %s", self._name, self._job, status)
            if self._bar is not None and self._task is not None:
                self._bar.update(self._task, figures=status)

    def tell(self, event: Mapping[str, Any]) -> None:
        """Show an event: a step with its loss, or what is said."""
        data = event.get("data")
        if event.get("type") == "metrics" and isinstance(data, Mapping):
            self._show_step(data)
        elif isinstance(event.get("message"), str):
            _log.info("training %s: %s", self._name, printable(redact(event["message"]))[:_MOST_TEXT])

    def _show_step(self, data: Mapping[str, Any]) -> None:
        step, total = (_number(data.get(key)) for key in ("step", "total_steps"))
        losses = [
            f"{key} {value:.3f}"
            for key in ("train_loss", "valid_loss")
            if (value := _number(data.get(key))) is not None
        ]
        if step is None:
            return
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=step, total=total, figures="  ".join(losses))
        elif time.monotonic() - self._logged_s >= LOG_INTERVAL_S:
            self._logged_s = time.monotonic()
            of = f" of {total:.0f}" if total is not None else ""
            _log.info("training %s: step %.0f%s %s", self._name, step, of, "  ".join(losses))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
