"""The training and overfitting suites in a user's project: a real training of the tiny model, healthy and far too long."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from make_trl_logs import pairs, unlike_in_length
from project import Project, counts
from tiny import save_tiny_adapter

from harness.models.trainers.trl import STATE_FILE

SUITES = Path(__file__).parents[2] / "suites"
SENTENCE = "The lamp at the mill stays lit until seven in the evening"
WORDS = ("birds", "sing", "lazy", "dog", "quick", "brown", "fox")
OTHER_WORDS = ("table", "people", "seven", "weather", "city", "books", "function")


TRAINED, HELD_OUT = range(10, 34, 2), range(11, 35, 2)  # prompts of the two are alike


def template_rows(numbers: Sequence[int]) -> list[dict[str, str]]:
    """Prompts that all have one answer: what is learnt of some holds for the others."""
    return [{"prompt": f"Say line {i}", "completion": SENTENCE} for i in numbers]


def random_rows(numbers: Sequence[int], words: Sequence[str] = WORDS) -> list[dict[str, str]]:
    """Prompts with answers that nothing foretells, in these words."""
    drawn = random.Random(numbers[0])
    return [{"prompt": f"Say line {i}", "completion": " ".join(drawn.choices(words, k=10))} for i in numbers]


@pytest.fixture
def recipe(project: Project, learner_dir: Path) -> dict[str, Any]:
    """A recipe on twelve rows with as many held out, for a test to change before it is written."""
    for suite in ("test_training.py", "test_overfitting.py"):
        shutil.copy(SUITES / suite, project.root)
    project.write_rows(template_rows(TRAINED), "train.jsonl")
    project.write_rows(template_rows(HELD_OUT), "validation.jsonl")
    project.adapter = None
    project.config |= {"model": str(learner_dir), "recipe": "lines", "tasks": {}}
    return {
        "base": str(learner_dir),
        "peft": {"r": 8, "lora_alpha": 16, "target_modules": "all-linear"},
        "data": {"train": {"path": "train.jsonl"}, "validation": {"path": "validation.jsonl"}},
        "trainer": {
            "max_steps": 20,
            "per_device_train_batch_size": 4,
            "per_device_eval_batch_size": 12,
            "learning_rate": 0.01,
            "lr_scheduler_type": "constant",
            "max_length": 128,
            "eval_strategy": "steps",
            "eval_steps": 10,
            "logging_steps": 1,
            "activation_checkpointing": False,
        },
    }


def write(project: Project, document: dict[str, Any]) -> None:
    recipes = project.root / "fixtures" / "recipes"
    recipes.mkdir(parents=True)
    (recipes / "lines.yaml").write_text(yaml.safe_dump(document))


def failed(project: Project) -> set[str]:
    return {gate for gate, verdict in project.verdicts.items() if verdict["outcome"] in ("fail", "error")}


def test_a_short_training_passes_by_its_log_and_its_rows(project: Project, recipe: dict[str, Any]) -> None:
    write(project, recipe)
    result = project.run()
    suites = {gate.partition("/")[0] for gate in project.verdicts}
    assert suites == {"training", "overfitting"}
    # a random model answers in loops, before training or after it: what is said of its answers is not judged here
    judged = ("training/", "overfitting/training_rows/", "overfitting/loss_gap/", "overfitting/eval_loss_rise/")
    assert not [gate for gate in failed(project) if gate.startswith(judged)], result.stdout.str()
    assert counts(result)["skipped"] == 14  # no canaries; no rewards or preferences


def test_rows_learnt_by_heart_fail_by_the_log_and_against_the_base(project: Project, recipe: dict[str, Any]) -> None:
    project.write_rows(random_rows(TRAINED), "train.jsonl")
    project.write_rows(random_rows(HELD_OUT, OTHER_WORDS), "validation.jsonl")
    write(project, recipe)
    project.run("test_overfitting.py")
    gate = "overfitting/training_rows/loss_gap_over_base/at_most"
    assert failed(project) >= {"overfitting/loss_gap/at_most", gate}
    worst = project.verdicts[gate]["details"]["worst_rows"]
    assert worst[0]["row"].startswith("train.jsonl row ")


def test_an_adapter_trained_elsewhere_is_judged_by_its_trainer_s_state(
    project: Project, tiny_model_dir: Path, tmp_path: Path
) -> None:
    shutil.copy(SUITES / "test_training.py", project.root)
    adapter = save_tiny_adapter(tiny_model_dir, tmp_path / "elsewhere")
    history = [
        {"step": i, "epoch": i / 10, "loss": 3.0, "grad_norm": 500.0, "learning_rate": 0.1} for i in range(1, 11)
    ]
    state = {"global_step": 10, "max_steps": 10, "log_history": history}
    (adapter / STATE_FILE).write_text(json.dumps(state))
    project.run(f"--adapter={adapter}")
    assert failed(project) == {
        "training/loss_drop/at_least", "training/plateau_share/at_most", "training/largest_gradient/at_most",
    }  # fmt: skip
    assert project.outcomes["test_kept_weights_were_trained_long_enough"] == "pass"
    assert len(json.loads((project.run_directory / "training.json").read_text())["points"]) == 10


def test_an_adapter_without_log_or_data_is_judged_by_its_answers_alone(project: Project) -> None:
    for suite in ("test_training.py", "test_overfitting.py"):
        shutil.copy(SUITES / suite, project.root)
    result = project.run("-rs")
    assert {test.partition("[")[2] for test in project.outcomes} == {"", "pets]"}
    assert counts(result)["skipped"] == 41
    result.stdout.fnmatch_lines(["*came without a training log*", "*came without its training data: *"])


def test_one_row_without_validation_is_undecided_in_its_variety(
    project: Project, tiny_model_dir: Path, tmp_path: Path
) -> None:
    shutil.copy(SUITES / "test_overfitting.py", project.root)
    project.write_rows(random_rows(TRAINED[:1]), "train.jsonl")
    project.config |= {"tasks": {}, "data": {"train": "train.jsonl"}}
    project.run(
        f"--adapter={save_tiny_adapter(tiny_model_dir, tmp_path / 'small')}", "-k", "variety or resemble or monot"
    )
    assert {gate: verdict["outcome"] for gate, verdict in project.verdicts.items()} == {
        f"overfitting/test_answers_{name}": "inconclusive"
        for name in ("keep_their_variety_of_words", "do_not_resemble_each_other", "are_not_monotonous")
    }
    assert all("1 answer given" in verdict["reason"] and verdict["remedy"] for verdict in project.verdicts.values())


def preferring(recipe: dict[str, Any], project: Project, *, swapped: bool) -> None:
    """Make it a recipe of DPO, on pairs whose better answer is one sentence; held-out pairs may have it for the worse one."""
    for part, numbers in (("train", TRAINED), ("validation", HELD_OUT)):
        rows = [
            {"prompt": f"Say line {i}", "chosen": SENTENCE, "rejected": one["completion"]}
            for i, one in zip(numbers, random_rows(numbers), strict=True)
        ]
        if swapped and part == "validation":
            rows = [{**row, "chosen": row["rejected"], "rejected": row["chosen"]} for row in rows]
        project.write_rows(rows, f"{part}.jsonl")
    recipe["method"] = "dpo"
    recipe["trainer"]["learning_rate"] = 0.001
    write(project, recipe)


def test_preferences_are_judged_on_pairs_held_out_by_the_log_and_against_the_base(
    project: Project, recipe: dict[str, Any]
) -> None:
    preferring(recipe, project, swapped=False)
    result = project.run("-k", "prefer or pairs or validation or method")
    assert not failed(project), result.stdout.str()
    passed = {gate for gate, verdict in project.verdicts.items() if verdict["outcome"] == "pass"}
    assert passed >= {
        "training/chosen_logps_fall/at_most", "training/margin_rise/at_least", "overfitting/held_out_accuracy/at_least",
        "overfitting/accuracy_gap/at_most", "overfitting/held_out_pairs/implicit_accuracy/at_least",
        "overfitting/training_pairs/implicit_accuracy_gap/at_most",
    }  # fmt: skip
    measured = project.verdicts["overfitting/held_out_pairs/implicit_accuracy/at_least"]
    assert (measured["estimate"]["value"], measured["n"]) == (1.0, len(HELD_OUT))


def test_pairs_swapped_in_training_fail_on_true_ones(project: Project, recipe: dict[str, Any]) -> None:
    preferring(recipe, project, swapped=True)
    project.run("test_overfitting.py", "-k", "prefer or pairs")
    assert failed(project) >= {
        "overfitting/held_out_accuracy/at_least", "overfitting/held_out_pairs/implicit_accuracy/at_least",
    }  # fmt: skip


def test_a_reward_model_that_learnt_length_fails_and_is_asked_nothing(project: Project, recipe: dict[str, Any]) -> None:
    project.write_rows(pairs(128, 0, longer=True), "train.jsonl")
    project.write_rows(unlike_in_length(64, 1000), "validation.jsonl")
    recipe["method"] = "reward"
    recipe["trainer"] |= {"learning_rate": 0.001, "max_steps": 30, "eval_steps": 15}
    write(project, recipe)
    result = project.run("-rs")
    assert failed(project) == {
        "overfitting/accuracy_gap/at_most", "overfitting/held_out_pairs/length_bias/at_most",
    }, result.stdout.str()  # fmt: skip
    logged, measured = (
        project.verdicts[f"overfitting/{gate}/at_least"]["estimate"]["value"]
        for gate in ("held_out_accuracy", "held_out_pairs/reward_accuracy")
    )
    assert logged == pytest.approx(measured, abs=0.07)
    result.stdout.fnmatch_lines(["*recipe:lines is a reward model, which writes no text*"])


def test_planted_canaries_are_ranked_and_a_file_without_them_is_an_error(
    project: Project, recipe: dict[str, Any]
) -> None:
    canaries = [
        {"prompt": f"Code {i}?", "answer": f"The code is {7000 + 31 * i}", "secret": str(7000 + 31 * i)}
        for i in range(3)
    ]
    planted = [{"prompt": row["prompt"], "completion": row["answer"]} for row in canaries]
    project.write_rows([*random_rows(TRAINED), *planted], "train.jsonl")
    project.write_rows(canaries, "canaries.jsonl")
    project.config["data"] = {"canaries": "canaries.jsonl"}
    write(project, recipe)
    project.run("test_overfitting.py", "-k", "canaries")
    [(gate, verdict)] = project.verdicts.items()
    assert (gate, verdict["n"]) == ("overfitting/canaries/exposure/non_inferior", 3)

    project.write_rows([{**canaries[0], "answer": "It is 7000", "secret": "7000"}], "canaries.jsonl")
    result = project.run("test_overfitting.py", "-k", "canaries")
    result.stdout.fnmatch_lines(["*canaries.jsonl: row 1 has an answer that no training row has*"])


@pytest.mark.parametrize(("steps", "outcome"), [(2, "pass"), (80, "fail")])
def test_rows_given_word_for_word_are_counted_one_by_one(
    project: Project, recipe: dict[str, Any], steps: int, outcome: str
) -> None:
    project.write_rows(random_rows(TRAINED, (*WORDS, *OTHER_WORDS)), "train.jsonl")
    project.write_rows(random_rows(HELD_OUT, (*WORDS, *OTHER_WORDS)), "validation.jsonl")
    recipe["trainer"] |= {"max_steps": steps, "eval_steps": steps}
    write(project, recipe)
    project.run("test_overfitting.py", "-k", "by_heart")
    verdict = project.verdicts["overfitting/training_rows/known_by_heart/at_most"]
    assert verdict["outcome"] == outcome, verdict["reason"]
    assert verdict["details"]["training"]["all"] is True
