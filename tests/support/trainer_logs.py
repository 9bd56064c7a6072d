"""What TRL 1.16 logged of real trainings of a tiny model (`trl_logs.json`, columns by key), and histories read from logs."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from harness.models.trainers.trl import STATE_FILE
from harness.training.history import TrainingHistory, read_history

Columns = Mapping[str, Sequence[float | None]]


@cache
def _stored() -> dict[str, dict[str, list[float | None]]]:
    logs: dict[str, dict[str, list[float | None]]] = json.loads(Path(__file__).with_name("trl_logs.json").read_text())
    return logs


def columns(method: str, steps: int | None = None, **changed: Any) -> Columns:
    """A stored log up to a step, with columns changed: a value, or a function of what was there. "__" stands for "/"."""
    log: dict[str, Any] = {key: values[:steps] for key, values in _stored()[method].items()}
    for name, change in changed.items():
        key = name.replace("__", "/")
        count = len(log["step"])
        log[key] = [change(value) for value in log[key]] if callable(change) else [change] * count
    return log


def history_of(log: Columns, *further: Mapping[str, Any], **state: Any) -> TrainingHistory:
    """The history of a Trainer's state that logged these columns, then these entries."""
    count = len(next(iter(log.values())))
    steps = log.get("step") or range(1, count + 1)
    entries = [{"step": step, **{key: log[key][i] for key in log if key != "step"}} for i, step in enumerate(steps)]
    document = {"global_step": count, "max_steps": count, "log_history": [*entries, *further], **state}
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / STATE_FILE).write_text(json.dumps(document))
        history = read_history(Path(directory), None)
    assert history is not None
    return history
