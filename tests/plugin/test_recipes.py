"""`--adapter=recipe:NAME`: trained inside pytest, once, resumed after an interrupt, its log gated."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas
import pytest
import yaml
from project import FAILS, PASSES, UNDECIDED, UNMEASURABLE, Project, counts, gate_test, junit_results
from transformers import TrainerState

from harness.training.callbacks import GradientGuard

SUITES = Path(__file__).parents[2] / "suites"
COUNT_TRAININGS = """
import os, pathlib
from harness.training import trainer
fit = trainer.fit
def counting(*args, **kwargs):
    with open(pathlib.Path(__file__).with_name("trainings.txt"), "a") as stream:
        print(os.getpid(), file=stream)
    return fit(*args, **kwargs)
trainer.fit = counting
"""


@pytest.fixture
def recipe(project: Project, tiny_model_dir: Path) -> Project:
    """The project with a recipe of four steps on its own data."""
    rows = [{"prompt": f"Cat or dog? animal number {i}", "completion": ("cat", "dog")[i % 2]} for i in range(8)]
    (project.root / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    document = {
        "base": str(tiny_model_dir),
        "peft": {"r": 2, "lora_alpha": 4, "target_modules": "all-linear"},
        "data": {"train": {"path": "train.jsonl"}, "validation": {"path": "train.jsonl"}},
        "trainer": {
            "max_steps": 4,
            "per_device_train_batch_size": 2,
            "learning_rate": 0.001,
            "eval_strategy": "steps",
            "eval_steps": 2,
            "logging_steps": 1,
        },
    }
    recipes = project.root / "fixtures" / "recipes"
    recipes.mkdir(parents=True)
    (recipes / "pets.yaml").write_text(yaml.safe_dump(document))
    project.config["recipe"] = "pets"
    project.adapter = None
    project.write_tests(gate_test("passes", PASSES))
    return project


def test_the_adapter_is_trained_then_found_and_its_log_is_gated(recipe: Project) -> None:
    shutil.copy(SUITES / "test_overfitting.py", recipe.root)
    of_the_log = ("-k", "passes or validation_loss")
    first = recipe.run(*of_the_log)
    assert first.ret == pytest.ExitCode.OK
    first.stdout.fnmatch_lines(["answers: 0 from the cache, 20 computed; adapter trained now;*"])
    assert recipe.outcomes["test_validation_loss_stays_near_training_loss"] == "pass"
    assert recipe.outcomes["test_validation_loss_has_not_risen_past_its_minimum"] == "pass"
    assert recipe.manifest["adapter"]["name"] == "recipe:pets"
    assert recipe.manifest["training"]["steps"] == 4
    training = json.loads((recipe.run_directory / "training.json").read_text())
    assert training["recipe"]["name"] == "pets"
    assert [point["step"] for point in training["points"]] == [1, 2, 3, 4]

    second = recipe.run(*of_the_log)
    second.stdout.fnmatch_lines(["answers: 20 from the cache, 0 computed; adapter from the cache;*"])


def test_an_interrupted_training_marks_the_run_and_the_next_start_resumes(
    recipe: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(guard: GradientGuard, args: object, state: TrainerState, control: object, **_: object) -> None:
        if state.global_step == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(GradientGuard, "on_step_end", stop)
        assert recipe.run().ret == pytest.ExitCode.INTERRUPTED
    assert recipe.document["status"] == "interrupted"

    recipe.write_tests(
        "def test_resumes(caplog, assay):\n    assay.models.candidate\n    assert 'resuming from checkpoint-2' in caplog.text\n"
    )
    assert recipe.run().ret == pytest.ExitCode.OK
    assert recipe.manifest["training"]["steps"] == 4
    assert recipe.manifest["training"]["from_cache"] is False


def test_parallel_workers_train_once_and_make_one_run_with_every_verdict_once(recipe: Project) -> None:
    tests = {"a": PASSES, "b": PASSES, "c": FAILS, "d": UNDECIDED, "e": UNMEASURABLE, "f": PASSES}
    recipe.write_tests(COUNT_TRAININGS, *(gate_test(name, body) for name, body in tests.items()))
    result = recipe.run("-n2", "--junitxml=pytest.xml")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert counts(result) == {"passed": 3, "failed": 1, "errors": 1, "inconclusive": 1}
    assert len((recipe.root / "trainings.txt").read_text().split()) == 1
    assert len(recipe.runs) == 1
    assert len(recipe.document["verdicts"]) == 6
    assert recipe.outcomes == {
        "test_a": "pass", "test_b": "pass", "test_c": "fail", "test_d": "inconclusive", "test_e": "error", "test_f": "pass",
    }  # fmt: skip
    samples = pandas.read_parquet(recipe.run_directory / "samples.parquet")
    assert len(samples) == 20
    assert not samples.duplicated(["item_id", "role"]).any()
    assert recipe.manifest["answers"]["computed"] == 20
    assert recipe.manifest["model"]["digest"]
    assert recipe.manifest["training"]["from_cache"] is False
    assert [*junit_results(recipe.root / "pytest.xml").values()].count("error") == 1
    result.stdout.fnmatch_lines(
        ["*release gates*", "FAIL *answer_tokens*", "ERROR *acuracy*", "*adapter trained now*", "report: reports/*"]
    )
    assert list((recipe.root / "reports").glob(".*")) == []


def in_stages(recipe: Project, **changes: object) -> None:
    """Make the recipe one of two stages, of the same rows."""
    file = recipe.root / "fixtures" / "recipes" / "pets.yaml"
    document = yaml.safe_load(file.read_text())
    base = document.pop("base")
    later = {key: value for key, value in document.items() if key != "peft"}
    stages = [{"name": "first", **document}, {"name": "second", **later}]
    file.write_text(yaml.safe_dump({"base": base, "stages": stages, **changes}))


def test_each_stages_log_is_gated_by_its_name(recipe: Project) -> None:
    in_stages(recipe)
    shutil.copy(SUITES / "test_training.py", recipe.root)
    recipe.run("-k", "finite or reach")
    assert {"test_losses_and_gradients_are_finite[first]", "test_losses_and_gradients_are_finite[second]"} <= {
        *recipe.outcomes
    }
    gates = {one["gate"] for one in recipe.document["verdicts"]}
    assert {
        f"training/finite_log (test_losses_and_gradients_are_finite[{one}])" for one in ("first", "second")
    } <= gates
    assert recipe.manifest["adapter"]["name"] == "recipe:pets"
    training = json.loads((recipe.run_directory / "training.json").read_text())
    assert [stage["name"] for stage in training["recipe"]["stages"]] == ["first", "second"]

    recipe.config["recipe"] = "pets@first"
    recipe.run("-k", "finite")
    assert recipe.manifest["adapter"]["name"] == "recipe:pets@first"
    assert recipe.manifest["training"]["from_cache"] is True


def test_a_stage_whose_log_is_not_healthy_ends_the_training(recipe: Project) -> None:
    in_stages(recipe, gate={"after": ["first"]})
    recipe.config["training"] = {"largest_gradient": 1e-9}
    result = recipe.run()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*pets@first: the training does not go on from stage first, of whose*"])
