"""The planned learning rate is the one that a real training logs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.checks.training.schedule import farthest_from_plan, planned_rates
from harness.training import train
from harness.training.history import read_history

from .conftest import MakeRecipe

PEAK = 0.01


@pytest.mark.parametrize(
    "arguments",
    [
        {"lr_scheduler_type": "cosine", "warmup_steps": 3, "max_steps": 8},
        {"warmup_steps": 0.25, "max_steps": 8},
        {"lr_scheduler_type": "constant", "max_steps": -1, "num_train_epochs": 2},
        {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr": 1e-4}, "max_steps": 6},
    ],
)
def test_a_real_training_keeps_to_its_plan_and_another_s_plan_is_told(
    arguments: dict[str, Any], make_recipe: MakeRecipe, tiny_model_dir: Path, tmp_path: Path
) -> None:
    recipe = make_recipe(trainer={**arguments, "eval_steps": 4})
    trained = train(recipe, base_path=str(tiny_model_dir), base_digest="d", cache_dir=tmp_path / "cache")
    history = read_history(trained.path, trained.log)
    assert history is not None and history.trainer is not None and history.planned_steps is not None
    logged = [(p.step, float(p.learning_rate or 0)) for p in history.points]
    planned = planned_rates(history.trainer, history.planned_steps)
    assert planned is not None and len(logged) == history.planned_steps
    assert farthest_from_plan(logged, planned).share < 1e-9

    other = planned_rates({**history.trainer, "learning_rate": 50 * PEAK}, history.planned_steps)
    assert other is not None and farthest_from_plan(logged, other).share > 0.5


def test_logs_of_older_versions_that_hold_the_next_rate_fit_too() -> None:
    planned = planned_rates({"learning_rate": PEAK, "warmup_steps": 2}, 10)
    assert planned is not None
    assert farthest_from_plan([(step, planned[step]) for step in range(1, 11)], planned).share == 0


def test_the_farthest_step_is_named() -> None:
    planned = planned_rates({"learning_rate": PEAK, "lr_scheduler_type": "constant"}, 4)
    assert planned is not None
    found = farthest_from_plan([(1, PEAK), (2, PEAK / 2), (3, PEAK)], planned)
    assert (found.step, found.logged, found.planned, found.share) == (2, PEAK / 2, PEAK, 0.5)


@pytest.mark.parametrize("arguments", [{}, {"learning_rate": PEAK, "lr_scheduler_type": "reduce_lr_on_plateau"}])
def test_a_schedule_that_no_recipe_fixes_has_no_plan(arguments: dict[str, Any]) -> None:
    assert planned_rates(arguments, 5) is None
