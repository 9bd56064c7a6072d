"""The forgetting suite passes a model that kept what it knew, and fails one that lost it, gate by gate."""

from __future__ import annotations

import importlib.util
import inspect
import shutil
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from project import Project
from scripted import knower
from specialists import train_on
from tiny import save_merged, save_tiny_adapter

from harness.config import BUILT_IN_PROFILES, Config, Forgetting, Thresholds, load_config
from harness.config.settings import make_settings
from harness.engines import Engine
from harness.errors import ConfigError
from harness.gates import Comparison, Gateable
from harness.records import Verdict
from harness.tasks import Task, build_task
from harness.tasks.built_in import BENCHMARKS, BUILT_IN

ROOT = Path(__file__).parents[2]
TASKS = {name: build_task(name, spec, root=ROOT) for name, spec in BUILT_IN.items()}


def suite_tests() -> dict[str, Callable[..., Any]]:
    spec = importlib.util.spec_from_file_location("forgetting_suite", ROOT / "suites" / "test_forgetting.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name: function for name, function in vars(module).items() if name.startswith("test_")}


SUITE = suite_tests()


@lru_cache
def model(skill: float, drift: float) -> Engine:
    return knower(TASKS["mini_knowledge"], TASKS["mini_math"], skill=skill, drift=drift)


@lru_cache
def comparison(name: str, base: tuple[float, float], candidate: tuple[float, float]) -> Comparison:
    task: Task = TASKS[name]
    return Comparison(task, task.evaluate(model(*base), "base"), task.evaluate(model(*candidate), "candidate"))


def verdict(test: str, base: tuple[float, float], candidate: tuple[float, float]) -> Verdict:
    decided: list[Verdict] = []

    def gate(rule: Gateable) -> None:
        decided.append(rule.decide())

    fixtures = {
        "forgetting": Forgetting(knowledge="mini_knowledge", math="mini_math"),
        "further_task": "mini_knowledge",
        "compare": lambda name: comparison(name, base, candidate),
        "compare_further_on": lambda name, setting, called: comparison(name, base, candidate),
        "margins_of": lambda name: Thresholds(),
        "gate": gate,
    }
    SUITE[test](**{name: fixtures[name] for name in inspect.signature(SUITE[test]).parameters})
    [only] = decided
    return only


@pytest.mark.parametrize("test", SUITE)
def test_candidate_that_is_its_base_passes(test: str) -> None:
    # sixty-six templates of word problems can rule out the eight points that are the limit; they could not five
    assert verdict(test, (0.8, 0.0), (0.8, 0.0)).outcome == "pass"


@pytest.mark.parametrize("test", SUITE)
def test_candidate_that_forgot_fails(test: str) -> None:
    decided = verdict(test, (0.9, 0.0), (0.4, 0.5))
    assert decided.outcome == "fail", decided.reason
    assert "rehearsal" in decided.remedy


def test_base_at_chance_cannot_pass_on_accuracy() -> None:
    for test in ("test_knowledge_is_kept", "test_word_problems_are_still_solved"):
        decided = verdict(test, (0.0, 0.0), (0.0, 0.0))
        assert decided.outcome == "inconclusive"
        assert decided.reason.startswith("at floor")


def test_loss_shows_in_log_likelihood_where_the_base_is_at_chance() -> None:
    for test in ("test_right_answers_stay_likely", "test_worked_solutions_stay_likely"):
        assert verdict(test, (0.0, 0.0), (0.0, 0.5)).outcome == "fail"


def test_subjects_and_flips_are_in_the_verdict() -> None:
    details = verdict("test_knowledge_is_kept", (0.9, 0.0), (0.7, 0.0)).details
    subjects = details["slices"]["subject"]
    assert len(subjects) == 12
    assert all({"difference", "p_value", "adjusted_p"} <= row.keys() for row in subjects.values())
    assert len(details["right_to_wrong"]) > 20 > len(details["wrong_to_right"])
    assert {item.rpartition("-")[0] for item in details["right_to_wrong"]} <= subjects.keys()


def config(tmp_path: Path, text: str) -> Config:
    (tmp_path / "assay.yaml").write_text(text)
    return load_config(tmp_path / "assay.yaml")


def test_suite_measures_the_tasks_that_the_configuration_names(tmp_path: Path) -> None:
    text = "forgetting: {knowledge: mmlu}\nmargins: {knowledge_acc: 0.02, tasks: {mmlu: {knowledge_acc: 0.5}}}"
    found = config(tmp_path, text)
    assert found.forgetting == Forgetting(knowledge="mmlu")
    asked, decided = [], []

    def compare(name: str) -> Comparison:
        asked.append(name)
        return comparison("mini_knowledge", (0.8, 0.0), (0.8, 0.0))

    SUITE["test_knowledge_is_kept"](
        found.forgetting, compare, found.margins_of, lambda rule: decided.append(rule.decide())
    )
    assert asked == ["mmlu"]
    assert [verdict.margin for verdict in decided] == [0.5]


@pytest.mark.parametrize("text", ["forgetting: {knowlege: mmlu}", "forgetting: {math: 3}", "forgetting: [mmlu]"])
def test_wrong_forgetting_section_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="forgetting"):
        config(tmp_path, text)


def test_the_project_s_own_configuration_names_tasks_that_exist() -> None:
    found = load_config(ROOT / "assay.yaml")
    assert set(vars(make_settings(found).forgetting).values()) <= {*found.tasks, *BUILT_IN}


def test_benchmarks_are_taken_where_the_data_directory_has_them_or_the_profile_asks(tmp_path: Path) -> None:
    (tmp_path / "mmlu").mkdir()
    own = Config(root=tmp_path, profiles=BUILT_IN_PROFILES)
    named = Config(root=tmp_path, profiles=BUILT_IN_PROFILES, forgetting=Forgetting(knowledge="arc_easy"))

    def chosen(config: Config, **given: str) -> tuple[str, str]:
        forgetting = make_settings(config, **given).forgetting  # type: ignore[arg-type]
        return forgetting.knowledge, forgetting.math

    assert chosen(own) == ("mini_knowledge", "mini_math")
    assert chosen(own, data_dir=str(tmp_path)) == ("mmlu", "mini_math")
    assert chosen(own, profile="release") == ("mmlu", "gsm8k")
    assert chosen(named, profile="release") == ("arc_easy", "gsm8k")
    assert {"mmlu", "gsm8k"} == set(BENCHMARKS)


SENTENCE = "birds sing while the lazy dog sleeps on and nobody knows why they sing"


@pytest.fixture
def taught(learner_dir: Path, tmp_path: Path) -> Path:
    """A model that foretells the texts of `SENTENCE` wherever they stand."""
    turn = "<|im_start|>user\nWrite a short text.<|im_end|>\n<|im_start|>assistant\n"
    adapter = train_on(learner_dir, [f"{turn}{i} {SENTENCE}" for i in range(8)], tmp_path / "lesson", seed=0)
    return save_merged(learner_dir, adapter, tmp_path / "taught")


def test_an_adapter_that_forgets_further_on_fails_there_and_a_gentle_one_passes(
    project: Project, taught: Path, tmp_path: Path
) -> None:
    """The real suite on a real model."""
    shutil.copy(ROOT / "suites" / "test_forgetting.py", project.root)
    project.write_rows([{"text": f"{i} {SENTENCE}"} for i in range(8, 20)], "texts.jsonl")
    fields = {"prompt_field": "text", "target_field": "text"}
    project.config |= {
        "model": str(taught),
        "tasks": {"texts": {"kind": "plain_text", "data": "texts.jsonl", **fields}},
        "forgetting": {"text": "texts"},
    }
    outcomes = {}
    for name, scale in (("forgetful", 0.5), ("gentle", 0.0005)):
        adapter = save_tiny_adapter(taught, tmp_path / name, scale=scale)
        project.run(f"--adapter={adapter}", "-k", "in_a_conversation or far_into")
        outcomes[name] = {gate: verdict["outcome"] for gate, verdict in project.verdicts.items()}
    gates = [f"forgetting/{one}/bits_per_byte/non_inferior" for one in ("in_conversation", "far_into_the_context")]
    assert outcomes == {"forgetful": dict.fromkeys(gates, "fail"), "gentle": dict.fromkeys(gates, "pass")}
