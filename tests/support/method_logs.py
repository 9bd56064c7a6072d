"""Histories of the real trainings that `make_trl_logs.py` stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from harness.records import TrainingPoint
from harness.training.history import TrainingHistory
from harness.training.log import TrainingSummary

_POINTS = ("loss", "grad_norm")


@cache
def _stored() -> dict[str, dict[str, Any]]:
    logs: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("method_logs.json").read_text())
    return logs


def names() -> list[str]:
    """Of all logs."""
    return list(_stored())


def trained(name: str, **changed: Any) -> TrainingHistory:
    """A stored training as the gates read it, with fields of it changed."""
    log = _stored()[name]
    logged, evaluated = (
        {key: _series(values) for key, values in log[part].items()} for part in ("logged", "evaluated")
    )
    values: Mapping[str, Mapping[int, float]] = {key: dict(logged[key]) for key in _POINTS}
    points = [
        TrainingPoint(step=step, epoch=None, **{key: values[key].get(step) for key in _POINTS})
        for step in sorted(values["loss"])
    ]
    history = TrainingHistory(
        source=f"log of {name}",
        points=tuple(points),
        kept_step=log["kept_step"],
        steps=log["steps"],
        planned_steps=log["steps"],
        trainer=log["trainer"],
        summary=_summary(log["answer_tokens"], log["steps"], log["kept_step"]),
        logged={} if log["method"] == "sft" else logged,
        evaluated={} if log["method"] == "sft" else evaluated,
        stated_method=log["method"],
    )
    return replace(history, **changed)


def _summary(answer_tokens: float | None, steps: int, kept_step: int) -> TrainingSummary:
    return TrainingSummary(
        duration_s=1.0, steps=steps, best_step=kept_step, best_eval_loss=None, trainable_params=1, trainable_share=0.1, rows=128,
        validation_rows=64, truncated_rows=0, longest_row_tokens=30, stop_reason="completed", peak_memory_bytes=None,
        device="cpu", dtype="bfloat16", answer_tokens=answer_tokens,
    )  # fmt: skip


def _series(values: list[Any]) -> list[tuple[int, float]]:
    return [tuple(one) if isinstance(one, list) else (step, one) for step, one in enumerate(values, 1)]


def with_values(history: TrainingHistory, key: str, change: Any) -> TrainingHistory:
    """The same with what was logged under a key changed by a function of it."""
    series = [(step, change(value)) for step, value in history.logged[key]]
    return replace(history, logged={**history.logged, key: series})
