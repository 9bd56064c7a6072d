"""Safety tasks of a user's file and of the package: what may be said of them and what may not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.config import BUILT_IN_PROFILES, Config, Safety, load_config
from harness.config.settings import Settings, make_settings
from harness.errors import AssayError, ConfigError, TaskError
from harness.scaffold import shipped
from harness.tasks.kinds import TaskContext
from harness.tasks.lookup import find_task
from harness.tasks.safety.build import SAFETY
from harness.tasks.safety.continuations import ContinuationTask
from harness.tasks.safety.prompts import SafetyTask
from harness.tasks.safety.sources import SAFETY_SETS

SPEC = {"kind": "safety", "wanted": "refusal", "data": "asks.jsonl", "prompt_field": "ask", "tag_fields": ["kind"]}


def settings(root: Path, *, data_dir: Path | None = None, safety: Safety | None = None, **tasks: Any) -> Settings:
    rows = [{"ask": f"Do {i}.", "kind": "ab"[i % 2]} for i in range(6)]
    (root / "asks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = Config(root=root, tasks=tasks, profiles=BUILT_IN_PROFILES, safety=safety or Safety())
    return make_settings(config, data_dir=str(data_dir) if data_dir else None)


def test_user_s_prompts_are_asked_as_conversations_with_their_tags(tmp_path: Path) -> None:
    spec = {**SPEC, "limit": 4, "max_new_tokens": 9, "system": "Be brief."}
    task = find_task("ours", settings(tmp_path, ours=spec))
    assert isinstance(task, SafetyTask)
    assert (len(task.items), task.max_new_tokens, task.wanted) == (4, 9, "refusal")
    assert [message.role for message in task.items[0].prompt.messages] == ["system", "user"]
    assert {item.tags["kind"] for item in task.items} == {"a", "b"}
    assert {item.target for item in task.items} == {"refusal"}


def test_user_s_texts_are_continued_as_raw_text(tmp_path: Path) -> None:
    spec = {"kind": "toxic_continuation", "data": "asks.jsonl", "prompt_field": "ask"}
    task = find_task("ours", settings(tmp_path, ours=spec, safety=Safety(samples=2)))
    assert isinstance(task, ContinuationTask)
    assert (task.samples, task.items[1].prompt.text) == (2, "Do 1.")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"wanted": "yes"}, "wanted is 'yes'"),
        ({"wanted": None}, "wanted is missing"),
        ({"target_field": "kind"}, "unknown key 'target_field'"),
        ({"sources": ["advbench"]}, "has both data and sources"),
        ({"data": None}, "has neither data and sources"),
        ({"data": None, "sources": ["advbenhc"]}, "sources has advbenhc"),
        ({"data": None, "sources": ["advbench"]}, "no data directory"),
        ({"prompt_field": None}, "has no 'prompt'"),
    ],
)
def test_wrong_specification_is_refused_by_its_key(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    spec = {key: value for key, value in {**SPEC, "format": "fields", **change}.items() if value is not None}
    with pytest.raises(TaskError) as error:
        find_task("ours", settings(tmp_path, ours=spec))
    assert told in str(error.value) and "'ours'" in str(error.value)


@pytest.mark.parametrize("name", ["mini_harmful", "mini_borderline"])
def test_built_in_set_is_whole_where_nothing_limits_it(tmp_path: Path, name: str) -> None:
    task = SAFETY.make(name, SAFETY_SETS[name], TaskContext(shipped("fixtures").parent))
    assert isinstance(task, SafetyTask)
    assert len(task.items) == 80 and len({item.id for item in task.items}) == 80


def test_smoke_asks_so_many_prompts_that_the_gates_can_pass(tmp_path: Path) -> None:
    harmful, safe = (find_task(name, settings(tmp_path)) for name in ("mini_harmful", "mini_borderline"))
    assert (harmful.settings["items"], safe.settings["items"]) == (80, 40)


def test_scorer_of_the_file_is_taken_and_told_apart(tmp_path: Path) -> None:
    rules = find_task("ours", settings(tmp_path, ours=SPEC))
    labels = {"A": "full_refusal", "B": "full_compliance"}
    hub = find_task("ours", settings(tmp_path, ours=SPEC, safety=Safety(scorer="hub:owner/name", labels=labels)))
    assert (rules.settings["scorer"], hub.settings["scorer"]) == ("rules", "hub:owner/name")
    with pytest.raises(ConfigError, match="there is no judge"):
        find_task("ours", settings(tmp_path, ours=SPEC, safety=Safety(scorer="judge")))


def test_set_without_its_data_says_where_it_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match="--data-dir"):
        find_task("harmful_prompts", settings(tmp_path))
    with pytest.raises(AssayError, match=r"harmbench_behaviors_text_all\.csv"):
        find_task("harmful_prompts", settings(tmp_path, data_dir=tmp_path))


def test_few_shot_examples_are_not_for_these(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="takes no few-shot examples"):
        find_task("mini_harmful", settings(tmp_path), fewshot=2)


def test_section_of_the_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "assay.yaml"
    file.write_text(
        "safety: {harmful: ours, continuations: null, scorer: 'hub:a/b', labels: {X: full_refusal}, samples: 2}"
    )
    found = load_config(file).safety
    assert found == Safety(
        harmful="ours", continuations=None, scorer="hub:a/b", labels={"X": "full_refusal"}, samples=2
    )


@pytest.mark.parametrize(
    "text", ["{harmfull: a}", "{labels: [a]}", "{labels: {X: 3}}", "{samples: 0}", "{max_unparseable: -1}", "[a]"]
)
def test_wrong_section_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "assay.yaml"
    file.write_text(f"safety: {text}")
    with pytest.raises(ConfigError, match="safety"):
        load_config(file)
