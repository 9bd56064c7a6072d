"""A lesson made a recipe of, in a project of its own, and trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from benchmarks.zoo.methods import quiz
from benchmarks.zoo.methods.lessons import Lesson
from benchmarks.zoo.stand_ins import write_rows
from harness.config import find_config
from harness.config.settings import make_settings
from harness.paths import write_atomic
from harness.session.model_pair import ModelPair

PROJECT = """\
# What the methods' zoo is gated by: the gates of data, training and overfitting; of stages also what the first has to teach.
tasks:
  neighbours:
    kind: exact_match
    data: rows/neighbours.jsonl
    prompt_field: prompt
    target_field: completion
    max_new_tokens: 32
    gates:
      - {metric: exact_match, at_least: 0.60}
# rows are put together of a few sentences: that they are alike says nothing
data: {exact_duplicates: 1.0, near_duplicates: 1.0, leakage: 1.0, near_leakage: 1.0}
profiles:
  zoo: {limit: null, limits: {training_rows: 32, held_out_rows: 32, row_answers: 16}, inconclusive: warn}
"""
_STEPS = 30


def write_project(zoo: Path) -> Path:
    """The assay.yaml that every lesson is gated by."""
    file = zoo / "methods" / "assay.yaml"
    write_rows(file.parent / "rows" / "neighbours.jsonl", quiz.answers(quiz.HELD_OUT))
    write_atomic(file, PROJECT)
    return file


def write_recipe(name: str, lesson: Lesson, base: Path, zoo: Path) -> None:
    """The recipe of a lesson, and its rows."""
    root = write_project(zoo).parent
    stages = [lesson, *([lesson.then] if lesson.then is not None else [])]
    written = [_stage(f"{name}-{place}", one, root) for place, one in enumerate(stages)]
    recipe: dict[str, Any] = {"base": str(base)}
    if lesson.then is None:
        recipe |= written[0]
    else:
        recipe["stages"] = [{"name": f"stage{place}", **one} for place, one in enumerate(written)]
        recipe["stages"][1]["from"] = "continued"
        del recipe["stages"][1]["peft"]
    write_atomic(root / "fixtures" / "recipes" / f"{name}.yaml", yaml.safe_dump(recipe, sort_keys=False))


def _stage(name: str, lesson: Lesson, root: Path) -> dict[str, Any]:
    data = {}
    for role, rows in (("train", lesson.rows), ("validation", lesson.held_out)):
        file = write_rows(root / "rows" / f"{name}-{role}.jsonl", rows)
        data[role] = {"path": str(file.relative_to(root))}
    return {
        "method": lesson.method,
        "peft": {"r": 16, "lora_alpha": 32, "target_modules": "all-linear"},
        "data": data,
        "trainer": {
            "max_steps": _STEPS,
            "per_device_train_batch_size": 16,
            "per_device_eval_batch_size": 16,
            "lr_scheduler_type": "cosine",
            "warmup_steps": 4,
            "eval_strategy": "steps",
            "eval_steps": _STEPS // 3,
            "logging_steps": 2,
            "activation_checkpointing": False,
            "seed": 17,
            **({} if "max_completion_length" in lesson.trainer else {"max_length": 128}),
            **lesson.trainer,
        },
        **lesson.recipe,
    }


def train_lesson(name: str, lesson: Lesson, base: Path, zoo: Path) -> str:
    """Train it, or take it from the cache; what `--adapter` is to be."""
    write_recipe(name, lesson, base, zoo)
    adapter = f"recipe:{name}"
    _ = ModelPair(make_settings(find_config(write_project(zoo), []), profile="zoo", adapter=adapter)).candidate
    return adapter
