"""A name means a task of the file first, then of the package, then of lm-eval."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from lm_eval_data import SUBJECTS, write_data_dir, write_index

from harness.config import BUILT_IN_PROFILES, Config
from harness.config.settings import Settings, make_settings
from harness.errors import TaskError
from harness.tasks import Task
from harness.tasks.lm_eval import LmEvalTask
from harness.tasks.lookup import find_task

TASK = {"kind": "multiple_choice", "data": "q.jsonl", "prompt_field": "q", "target_field": "a"}


@pytest.fixture(autouse=True)
def _index(tmp_path: Path) -> None:
    write_index(Path(os.environ["ASSAY_CACHE_DIR"]), tmp_path / "definitions")


def settings(root: Path, profile: str = "smoke", data_dir: Path | None = None, **tasks: Any) -> Settings:
    (root / "q.jsonl").write_text('{"q": "who?", "choices": ["a", "b"], "a": 0}\n' * 3)
    config = Config(root=root, tasks=tasks, profiles=BUILT_IN_PROFILES)
    return make_settings(config, profile=profile, data_dir=str(data_dir) if data_dir else None)


def lm_eval_task(*given: Any, **named: Any) -> LmEvalTask:
    task = find_task(*given, **named)
    assert isinstance(task, LmEvalTask)
    return task


def test_the_file_wins_over_the_package_and_over_lm_eval(tmp_path: Path) -> None:
    asked = settings(tmp_path, mini_knowledge=TASK, hellaswag=TASK)
    for name in ("mini_knowledge", "hellaswag"):
        task = find_task(name, asked)
        assert isinstance(task, Task) and len(task.items) == 3
    assert lm_eval_task("hellaswag", settings(tmp_path)).definition == "hellaswag"
    assert len(find_task("mini_knowledge", settings(tmp_path)).settings) == 1


def test_benchmarks_are_asked_with_the_examples_they_are_known_by(tmp_path: Path) -> None:
    for name in ("mmlu", "gsm8k"):
        task = lm_eval_task(name, settings(tmp_path))
        assert (task.name, task.options.fewshot) == (name, 5)
        assert lm_eval_task(name, settings(tmp_path), fewshot=5).name == name
        other = lm_eval_task(name, settings(tmp_path), fewshot=2)
        assert (other.name, other.definition, other.options.fewshot) == (f"{name}-2shot", name, 2)


def test_the_profile_bounds_items_and_subjects(tmp_path: Path) -> None:
    mmlu, gsm8k = (lm_eval_task(name, settings(tmp_path)).options for name in ("mmlu", "gsm8k"))
    assert (mmlu.max_items, mmlu.max_subtasks, gsm8k.max_items) == (120, 10, 4)
    assert lm_eval_task("gsm8k", settings(tmp_path), fewshot=1).options.max_items == 4
    full = lm_eval_task("mmlu", settings(tmp_path, "release")).options
    assert (full.max_items, full.max_subtasks) == (None, None)


def test_a_specification_says_how_lm_eval_asks(tmp_path: Path) -> None:
    spec = {
        "kind": "lm_eval", "task": "mmlu_astronomy", "fewshot": 0, "chat_template": True, "fewshot_as_multiturn": False,
        "include_path": "yaml", "limit": 7, "seed": 3, "gates": [],
    }  # fmt: skip
    (tmp_path / "yaml").mkdir()
    task = lm_eval_task("stars", settings(tmp_path, stars=spec))
    assert (task.name, task.definition) == ("stars", "mmlu_astronomy")
    options = task.options
    assert (options.fewshot, options.chat_template, options.fewshot_as_multiturn) == (0, True, False)
    assert (options.include_path, options.max_items, options.seed) == (tmp_path / "yaml", 7, 3)
    assert lm_eval_task("stars", settings(tmp_path, stars={**spec, "limit": 500})).options.max_items == 120


def test_a_yaml_file_is_found_beside_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    (tmp_path / "own.yaml").write_text("task: own\n")
    spec = {"kind": "lm_eval", "task": "own.yaml"}
    assert lm_eval_task("mine", settings(tmp_path, mine=spec)).definition == str(tmp_path / "own.yaml")
    assert lm_eval_task("own.yaml", settings(tmp_path)).definition == str(tmp_path / "own.yaml")


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"kind": "lm_evl"}, ["kind is 'lm_evl'", "did you mean 'lm_eval'"]),
        ({"kind": "lm_eval", "few_shot": 5}, ["unknown key 'few_shot'", "did you mean 'fewshot'"]),
        ({"kind": "lm_eval", "fewshot": -1}, ["fewshot is -1", "at least 0"]),
        ({"kind": "lm_eval", "chat_template": "yes"}, ["chat_template is 'yes'", "true or false"]),
        ({"kind": "lm_eval", "limit": 0}, ["limit is 0"]),
        ({"data": "x"}, ["kind is missing"]),
    ],
)
def test_a_wrong_specification_names_task_and_key(tmp_path: Path, spec: dict[str, Any], told: list[str]) -> None:
    with pytest.raises(TaskError) as error:
        find_task("stars", settings(tmp_path, stars=spec))
    assert all(words in str(error.value) for words in ("task 'stars'", *told)), error.value


def test_few_shot_counts_of_own_tasks_come_from_their_examples(tmp_path: Path) -> None:
    def shown(**named: Any) -> int:
        task = find_task("mini_knowledge", settings(tmp_path), **named)
        assert isinstance(task, Task)
        [request, *_] = task.grader.requests(task.items[0])
        return str(getattr(request, "prompt").display()).count("Question:") - 1  # noqa: B009

    assert (shown(), shown(fewshot=2), shown(fewshot=0)) == (5, 2, 0)
    with pytest.raises(TaskError, match="'pets' takes no few-shot examples; fewshot=5 has no effect"):
        find_task("pets", settings(tmp_path, pets=TASK), fewshot=5)


def test_an_unknown_name_lists_those_there_are_and_similar_ones(tmp_path: Path) -> None:
    with pytest.raises(TaskError) as error:
        find_task("helaswag", settings(tmp_path, pets=TASK))
    assert str(error.value).startswith("task 'helaswag' is unknown")
    assert all(words in error.value.remedy for words in ("the tasks are: pets", "mini_math", "ones: hellaswag"))


def test_what_was_asked_is_in_the_settings(tmp_path: Path) -> None:
    data = write_data_dir(tmp_path / "data")
    task = find_task("mmlu", settings(tmp_path, data_dir=data))
    assert task.settings["items"] == 12
    assert task.settings["leaf_tasks"] == len(SUBJECTS)
    assert task.settings["fewshot"] == [5]
    assert task.main_metric == "acc"
    assert find_task("gsm8k", settings(tmp_path, data_dir=data)).main_metric == "exact_match"
