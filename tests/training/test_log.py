from __future__ import annotations

from pathlib import Path

from harness.records import TrainingPoint
from harness.training import TrainingLog, TrainingSummary
from harness.training.log import points_from_history

SUMMARY = TrainingSummary(
    duration_s=1.5,
    steps=4,
    best_step=2,
    best_eval_loss=0.25,
    trainable_params=10,
    trainable_share=0.1,
    rows=8,
    validation_rows=2,
    truncated_rows=0,
    longest_row_tokens=12,
    stop_reason="completed",
    peak_memory_bytes=None,
    device="cpu",
    dtype="float32",
)


def test_history_becomes_one_point_a_step_without_the_closing_totals() -> None:
    history = [
        {"step": 2, "epoch": 0.5, "loss": 1.0, "grad_norm": 0.1, "learning_rate": 0.01, "num_tokens": 64.0},
        {"step": 2, "epoch": 0.5, "eval_loss": 0.9, "eval_runtime": 1.0},
        {"step": 4, "epoch": 1.0, "loss": 0.5, "grad_norm": 0.2, "learning_rate": 0.0, "num_tokens": 128.0},
        {"step": 4, "epoch": 1.0, "train_runtime": 9.0, "train_loss": 0.75},
    ]
    assert points_from_history(history) == (
        TrainingPoint(2, 0.5, loss=1.0, eval_loss=0.9, grad_norm=0.1, learning_rate=0.01, tokens=64),
        TrainingPoint(4, 1.0, loss=0.5, grad_norm=0.2, learning_rate=0.0, tokens=128),
    )


def test_a_written_log_reads_back_equal(tmp_path: Path) -> None:
    log = TrainingLog((TrainingPoint(1, loss=2.0), TrainingPoint(2, eval_loss=1.0)), SUMMARY)
    log.write(tmp_path)
    assert TrainingLog.read(tmp_path) == log
