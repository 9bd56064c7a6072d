"""The table of metrics that a job leaves beside its events: read with them, and never in place of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.models.trainers.record import TrainerLog
from harness.models.trainers.registry import read_training_log

HEAD = "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n"


def left(path: Path, table: str | None, *steps: int) -> TrainerLog | None:
    """A directory of events of these steps, with a table."""
    events = [
        {
            "object": "fine_tuning.job.event",
            "type": "metrics",
            "data": {"step": step, "train_loss": 3.0, "total_steps": 3},
        }
        for step in steps
    ]
    job = {"object": "fine_tuning.job", "id": "ftjob-1", "model": "base"}
    (path / "events.jsonl").write_text("".join(json.dumps(one) + "\n" for one in (job, *events)))
    if table is not None:
        (path / "step_metrics.csv").write_text(table)
    return read_training_log(path)


def test_the_table_adds_what_events_leave_out(tmp_path: Path) -> None:
    log = left(tmp_path, HEAD + "1,2.0,0.5,,\n2,1.5,0.6,1.7,0.55\n3,1.0,0.7,1.2,0.65\n", 1, 3)
    assert log is not None and (log.steps, log.planned_steps) == (3, 3)
    assert log.history == [
        {"step": 1, "loss": 2.0, "mean_token_accuracy": 0.5},
        {"step": 2, "loss": 1.5, "mean_token_accuracy": 0.6, "eval_loss": 1.7, "eval_mean_token_accuracy": 0.55},
        {"step": 3, "loss": 1.0, "mean_token_accuracy": 0.7, "eval_loss": 1.2, "eval_mean_token_accuracy": 0.65},
    ]


def test_a_table_alone_is_a_log_where_the_job_told_no_metrics(tmp_path: Path) -> None:
    log = left(tmp_path, HEAD + "1,2.0,0.5,,\n2,1.5,0.6,,\n")
    assert log is not None and [one["loss"] for one in log.history] == [2.0, 1.5]


@pytest.mark.parametrize(
    "table",
    [
        "",
        "a,b\n1,2\n",
        HEAD + "x,y,z\n-1,2,3\n,,,\n1e400,1,1,1,1\nnan,1,1,1,1\n1,1,1,1,1,1,1,1\n",
        '"open\nquote',
        "\0\n\0",
    ],
)
def test_a_table_of_no_sense_is_passed_over(tmp_path: Path, table: str) -> None:
    log = left(tmp_path, table, 1, 2, 3)
    assert log is not None and log.steps == 3
    assert [one["loss"] for one in log.history[1:]] == [3.0, 3.0]
