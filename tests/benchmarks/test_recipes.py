from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from harness.training.log import TrainingLog, TrainingSummary

ROOT = Path(__file__).parents[2]
SUMMARY = TrainingSummary(
    duration_s=90.0, steps=4, best_step=4, best_eval_loss=None, trainable_params=1, trainable_share=0.1, rows=4,
    validation_rows=2, truncated_rows=0, longest_row_tokens=9, stop_reason="completed", peak_memory_bytes=None,
    device="cpu", dtype="float32",
)  # fmt: skip


@pytest.fixture
def recipes(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The modules of `benchmarks.recipes`, which is no part of the package."""
    monkeypatch.syspath_prepend(str(ROOT))

    class Modules:
        def __getattr__(self, name: str) -> ModuleType:
            return importlib.import_module(f"benchmarks.recipes.{name}")

    return Modules()


@pytest.fixture
def row(recipes: Any) -> Any:
    """What is kept of the recipe dpo."""
    recipe = recipes.running.as_written("dpo")
    return recipes.kept.Measured(
        name="dpo", method="dpo, LORA", base="tiny", training_s=90.0, steps=4, gates_s=30.0, passed=("a/b", "a/c"),
        failed=("a/d",), undecided=(), unmeasured=("a/e",), held_out={"accuracy": (0.5, 0.9)}, digest="f" * 64,
        recipe_digest=recipes.running.recipe_digest(recipe), date="2026-01-02", versions={"trl": "1"},
    )  # fmt: skip


class TestPage:
    def test_it_is_that_of_the_rows_kept(self, recipes):
        written = recipes.table.PAGE.read_text(encoding="utf-8")
        assert written == recipes.table.page(recipes.kept.load()), "python -m benchmarks.recipes --page writes it"

    def test_it_names_every_recipe(self, recipes):
        written = recipes.table.PAGE.read_text(encoding="utf-8")
        assert [name for name in recipes.running.recipe_names() if f"| `{name}`" not in written] == []

    def test_a_row_says_what_failed_and_what_could_not_be_measured(self, recipes, row):
        line = next(one for one in recipes.table.page({"dpo": row}).splitlines() if one.startswith("| `dpo`"))
        assert "| 1.5 + 0.5 | accuracy 0.50 → 0.90 | 2 | 0 | `a/d`, `a/e (error)` |" in line
        assert "changed since" not in line

    def test_a_recipe_that_was_changed_since_is_marked(self, recipes, row):
        assert "`dpo` (changed since)" in recipes.table.page({"dpo": replace(row, recipe_digest="another")})


class TestKept:
    def test_rows_are_added_and_replaced_one_by_one(self, recipes, row, tmp_path):
        file = tmp_path / "measured.json"
        recipes.kept.keep(row, file)
        recipes.kept.keep(replace(row, name="kto"), file)
        recipes.kept.keep(replace(row, steps=9), file)
        kept = recipes.kept.load(file)
        assert list(kept) == ["dpo", "kto"]
        assert kept["dpo"] == replace(row, steps=9)


class TestRunning:
    def test_what_learns_a_task_is_asked_it_and_a_reward_model_is_held_to_pairs_alone(self, recipes):
        asked = {
            name: recipes.running.suites_of(recipes.running.as_written(name)) for name in ("dora", "dpo", "reward")
        }
        assert "suites/test_task.py" in asked["dora"]
        assert "suites/test_task.py" not in asked["dpo"]
        assert "suites/test_integrity.py" not in asked["reward"]
        assert "suites/test_overfitting.py" in asked["reward"]

    def test_figures_held_out_are_the_first_and_the_last(self, recipes):
        evaluated = {"rewards/accuracies": [(2, 0.5), (4, 0.75)], "rewards/margins": [(2, 0.0), (4, 1.0)]}
        log = TrainingLog((), SUMMARY, evaluated=evaluated)
        found = recipes.running.held_out(recipes.running.as_written("dpo"), log)
        assert found == {"accuracy": (0.5, 0.75), "margin": (0.0, 1.0)}

    def test_every_recipe_says_what_it_trains_by(self, recipes):
        said = {
            name: recipes.running.method_of(recipes.running.as_written(name)) for name in recipes.running.recipe_names()
        }
        assert said["tool-calls-qlora"] == "sft, LORA nf4"
        assert said["sft-full"] == "sft, all weights"
        assert said["dora"] == "sft, LORA use_dora"
