"""The data suite in a user's project: it runs before anything is trained, and skips where there are no data."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from answer_pairs import better
from project import ROWS, Project, counts
from scripted_judge import ScriptedJudge, oracle

from harness.config import BUILT_IN_PROFILES, Config
from harness.config.settings import make_settings
from harness.judges.inputs import read_gold

ROOT = Path(__file__).parents[2]
SUITES = ROOT / "suites"
# prompts that share no template: numbers alone tell the rows of the project's own task apart
TRAIN = [
    {"prompt": f"{name}{i} sat on the {thing}{i} near {name}{i}", "completion": ("cat", "dog")[i % 2]}
    for i, (name, thing) in enumerate([("Tom", "roof"), ("Rex", "lawn"), ("Kit", "sofa"), ("Bo", "step")] * 6)
]


@pytest.fixture
def data_suite(project: Project) -> Project:
    """The project with the data suite, and forgetting measured on its own task."""
    shutil.copy(SUITES / "test_data.py", project.root)
    project.config["forgetting"] = {"knowledge": "pets", "math": "pets", "text": "pets"}
    return project


@pytest.fixture
def recipe(data_suite: Project, tiny_model_dir: Path) -> Project:
    """The same with a recipe in place of an adapter."""
    document = {
        "base": str(tiny_model_dir),
        "peft": {"r": 2, "target_modules": "all-linear"},
        "data": {"train": {"path": "train.jsonl"}},
        "trainer": {"max_steps": 1, "max_length": 64},
    }
    recipes = data_suite.root / "fixtures" / "recipes"
    recipes.mkdir(parents=True)
    (recipes / "pets.yaml").write_text(yaml.safe_dump(document))
    data_suite.config["recipe"] = "pets"
    data_suite.adapter = None
    data_suite.write_rows(TRAIN, "train.jsonl")
    return data_suite


def test_healthy_data_pass_without_training_anything(recipe: Project) -> None:
    result = recipe.run()
    assert counts(result) == {"passed": 17, "skipped": 10}, result.stdout.str()
    assert {verdict["suite"] for verdict in recipe.verdicts.values()} == {"data"}
    assert "training" not in recipe.manifest


def test_planted_faults_fail_their_gates_and_are_in_the_stored_run(recipe: Project) -> None:
    leaked = {"prompt": f"Cat or dog? {ROWS[3]['text']}", "completion": "dog"}
    long = {"prompt": "the quick brown fox jumps over it " * 20, "completion": "cat"}
    personal = {"prompt": "Whose cat sits here?", "completion": "mira.olsen@fastmail.com"}
    recipe.write_rows([*TRAIN, TRAIN[0], leaked, long, personal], "train.jsonl")
    result = recipe.run()
    failed = {gate for gate, verdict in recipe.verdicts.items() if verdict["outcome"] == "fail"}
    assert failed == {
        "data/exact_duplicates", "data/leakage", "data/near_leakage", "data/contamination", "data/token_lengths",
        "data/masked_rows", "data/personal_data",
    }  # fmt: skip
    result.stdout.fnmatch_lines(["*data/leakage: 1 of 10 *: pets pet-3: asked by train.jsonl row 26:*"])
    assert "mira.olsen" not in json.dumps(recipe.document)


def test_an_unreadable_row_fails_its_gate_and_leaves_the_others_to_be_judged(recipe: Project) -> None:
    recipe.write_rows([*TRAIN, {"prompt": "Who sits here?", "completion": ""}], "train.jsonl")
    recipe.run()
    assert recipe.outcomes["test_rows_can_be_read"] == "fail"
    assert recipe.outcomes["test_rows_are_not_repeated"] == "pass"
    assert "train.jsonl row 25: field 'completion' is empty" in recipe.verdicts["data/layout"]["reason"]


def test_an_adapter_without_its_recipe_skips_unless_the_file_is_named(data_suite: Project) -> None:
    result = data_suite.run("-rs")
    assert counts(result) == {"skipped": 27}
    result.stdout.fnmatch_lines(["*adapter came without its training data: name the file by `train:` under `data:`*"])

    data_suite.write_rows(TRAIN, "train.jsonl")
    data_suite.config["data"] = {"train": "train.jsonl", "max_length": 8}
    assert counts(data_suite.run()) == {"passed": 15, "failed": 2, "skipped": 10}
    assert data_suite.outcomes["test_rows_fit_max_length"] == "fail"
    assert data_suite.outcomes["test_answers_are_seen"] == "fail"


def test_pairs_are_gated_as_pairs(data_suite: Project) -> None:
    pairs = [
        {"prompt": row["prompt"], "chosen": row["completion"], "rejected": f"a {row['completion']}fish"}
        for row in TRAIN
    ]
    data_suite.write_rows(pairs, "train.jsonl")
    data_suite.config["data"] = {"train": "train.jsonl", "format": "pairs"}
    assert counts(data_suite.run()) == {"passed": 20, "skipped": 7}

    turned = {**pairs[5], "chosen": pairs[5]["rejected"], "rejected": pairs[5]["chosen"]}
    data_suite.write_rows([*pairs, turned, {**pairs[7], "rejected": pairs[7]["chosen"]}], "train.jsonl")
    data_suite.run()
    failed = {gate for gate, verdict in data_suite.verdicts.items() if verdict["outcome"] == "fail"}
    assert failed == {"data/identical_pairs", "data/contradictions"}


def test_a_fit_judge_finds_pairs_that_are_swapped_throughout(data_suite: Project) -> None:
    pairs = [{"prompt": row["prompt"], "chosen": "It is a fish", "rejected": row["completion"]} for row in TRAIN]
    lines = (ROOT / "fixtures" / "data" / "judge" / "pairs.jsonl").read_text().splitlines(keepends=True)
    (data_suite.root / "gold.jsonl").write_text("".join(lines[::2]))
    data_suite.write_rows(pairs, "train.jsonl")
    data_suite.config |= {
        "data": {"train": "train.jsonl", "format": "pairs"},
        "judge": {"gold": "gold.jsonl", "answer_tokens": 8, "null_pairs": 4},
    }
    settings = make_settings(Config(root=Path(), profiles=BUILT_IN_PROFILES))
    right = [(row["prompt"], row["rejected"]) for row in pairs]
    with ScriptedJudge(oracle([*better(read_gold(settings).pairs), *right])) as server:
        judge = f"--judge=openai:judge@{server.url}"
        assert counts(data_suite.run(judge, "-k", "judge"))["skipped"] == 1
        assert server.answered == []  # what is trained on is sent to no judge unasked
        data_suite.config["data"]["judged_pairs"] = 20
        data_suite.run(judge, "-k", "judge")
    verdict = data_suite.verdicts["data/judged_pairs/at_least"]
    assert verdict["outcome"] == "fail"
    assert "the judge prefers the chosen answer in 0.0% of 20 pairs" in verdict["reason"]


def test_data_run_before_integrity_and_integrity_before_the_rest(recipe: Project) -> None:
    for suite in ("test_integrity.py", "test_task.py"):
        shutil.copy(SUITES / suite, recipe.root)
    result = recipe.run("--collect-only", "-q")
    suites = [line.partition("::")[0] for line in result.outlines if "::" in line]
    assert list(dict.fromkeys(suites)) == ["test_data.py", "test_integrity.py", "test_task.py"]
