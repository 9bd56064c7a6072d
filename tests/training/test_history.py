"""A log of ours and a Trainer's state tell the same things about an adapter."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from harness.errors import AdapterError
from harness.models.trainers.trl import STATE_FILE
from harness.training.history import read_history

STATE: dict[str, Any] = {
    "global_step": 6,
    "max_steps": 12,
    "best_global_step": 4,
    "log_history": [
        {"step": 2, "epoch": 0.5, "loss": 2.0, "grad_norm": 1.5, "learning_rate": 1e-4},
        {"step": 4, "epoch": 1.0, "loss": 1.5, "grad_norm": math.nan, "learning_rate": 2e-4},
        {"step": 4, "epoch": 1.0, "eval_loss": 1.8, "eval_runtime": 3.0},
        {"step": 6, "epoch": 1.5, "loss": 1.0, "grad_norm": 0.5, "learning_rate": 1e-4},
        {"step": 6, "train_loss": 1.5, "train_runtime": 60.0},
    ],
}


def write_state(directory: Path, **changes: Any) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / STATE_FILE).write_text(json.dumps({**STATE, **changes}))
    return directory


def test_a_trainer_s_state_is_read_with_validation_and_training_points_of_a_step_together(tmp_path: Path) -> None:
    history = read_history(write_state(tmp_path), None)
    assert history is not None
    assert [p.step for p in history.points] == [2, 4, 6]
    assert (history.points[1].loss, history.points[1].eval_loss) == (1.5, 1.8)
    assert math.isnan(history.points[1].grad_norm or 0.0)
    assert (history.source, history.planned_steps, history.summary) == (STATE_FILE, 12, None)


def test_a_checkpoint_holds_its_own_step_and_what_lies_above_checkpoints_the_best(tmp_path: Path) -> None:
    for step in (4, 10):
        write_state(tmp_path / f"checkpoint-{step}", global_step=step)
    checkpoint = read_history(tmp_path / "checkpoint-10", None)
    assert checkpoint is not None and checkpoint.kept_step == 10
    above = read_history(tmp_path, None)
    assert above is not None
    assert (above.source, above.steps, above.kept_step) == (f"checkpoint-10/{STATE_FILE}", 10, 4)


def test_a_state_without_a_best_checkpoint_is_of_its_last_step(tmp_path: Path) -> None:
    history = read_history(write_state(tmp_path, best_global_step=None, max_steps=-1), None)
    assert history is not None
    assert (history.kept_step, history.planned_steps) == (6, None)


@pytest.mark.parametrize("directory", ["out/checkpoint-4", "/runs/out/checkpoint-4/", r"C:\\out\\checkpoint-4"])
def test_an_older_trainer_names_its_best_checkpoint_by_directory_alone(directory: str, tmp_path: Path) -> None:
    best = {"best_global_step": None, "best_model_checkpoint": directory}
    history = read_history(write_state(tmp_path, **best), None)
    assert history is not None and history.kept_step == 4
    checkpoint = read_history(write_state(tmp_path / "checkpoint-6", **best), None)
    assert checkpoint is not None and checkpoint.kept_step == 6


def test_a_best_checkpoint_without_a_step_in_its_name_is_of_the_last(tmp_path: Path) -> None:
    best = {"best_global_step": None, "best_model_checkpoint": "out/best"}
    history = read_history(write_state(tmp_path, **best), None)
    assert history is not None and history.kept_step == 6


def test_a_directory_without_a_log_has_no_history(tmp_path: Path) -> None:
    assert read_history(tmp_path, None) is None


DAMAGED = [
    "{",
    "[]",
    "{}",
    '{"log_history": 3, "global_step": 1}',
    '{"log_history": {"loss": 1}, "global_step": 1}',
    '{"log_history": [{"step": 1, "loss": "one"}], "global_step": 1}',
    '{"log_history": []}',
]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_state_is_an_adapter_error_that_names_it(text: str, tmp_path: Path) -> None:
    (tmp_path / STATE_FILE).write_text(text)
    with pytest.raises(AdapterError, match=STATE_FILE) as error:
        read_history(tmp_path, None)
    assert "remove it" in error.value.remedy
