"""What files tell is told at collection: all of it at once, before any model is loaded, and only of what the tests need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

PLAIN = ("-p", "no:hypothesispytest", "--adapter=adapter")
TASK: dict[str, Any] = {
    "kind": "classification",
    "data": "pets.jsonl",
    "prompt": "Cat or dog? {text}",
    "target_field": "pet",
    "tag_fields": ["lang"],
}
GATE = {"metric": "accuracy", "at_least": 0.5}
CONFIGURED = "def test_task(task_gate, compare, gate): gate(task_gate.apply(compare(task_gate.task)))\n"


@pytest.fixture
def root(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with data and an adapter's directory, and lm-eval's names as they are wanted."""
    monkeypatch.setenv("ASSAY_CACHE_DIR", str(pytester.path / "cache"))
    monkeypatch.setattr("harness.tasks.lm_eval.names.stock_names", lambda: ("hellaswag", "mmlu_astronomy"))
    monkeypatch.setattr("harness.session.preflight.stock_names", lambda: ("hellaswag", "mmlu_astronomy"))
    rows = [{"text": f"animal {i}", "pet": ("cat", "dog")[i % 2], "lang": "en"} for i in range(8)]
    (pytester.path / "pets.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (pytester.path / "adapter").mkdir()
    (pytester.path / "adapter" / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 2, "lora_alpha": 2}')
    return pytester.path


def configure(root: Path, tasks: dict[str, Any], **others: Any) -> None:
    (root / "assay.yaml").write_text(yaml.safe_dump({"tasks": tasks, **others}))


def refusal(pytester: pytest.Pytester, *arguments: str) -> str:
    """What one usage error says; no test ran."""
    result = pytester.runpytest_inprocess(*PLAIN, *arguments)
    output = result.stderr.str() + result.stdout.str()
    assert result.ret == pytest.ExitCode.USAGE_ERROR, output
    assert "Traceback" not in output
    assert not (pytester.path / "reports").exists()
    return output


def test_everything_that_is_wrong_is_told_at_once_with_its_place_and_remedy(
    pytester: pytest.Pytester, root: Path
) -> None:
    configure(
        root,
        {
            "fields": {
                **TASK,
                "prompt": "{txt}?",
                "target_field": "pett",
                "gates": [{"metric": "acuracy", "at_least": 1}],
            },
            "gates": {
                **TASK,
                "gates": [
                    {"metric": "acuracy", "at_least": 0.5},
                    {"metric": "accuracy", "at_least": 50},
                    {**GATE, "where": {"lang": "de"}},
                ],
            },
            "malformed": {**TASK, "gates": [{"metric": "accuracy", "at_lest": 0.5}, {"metric": "accuracy"}]},
            "gone": {**TASK, "data": "gone.jsonl", "gates": [GATE]},
            "stars": {"kind": "lm_eval", "task": "mmlu_astronomi", "gates": [{"metric": "acc", "at_least": 0.5}]},
        },
        margins={"tasks": {"gatess": {"benchmarks": 0.1}}},
    )
    further = "def test_further(further_task, compare, margins_of): pass\n"
    pytester.makepyfile(CONFIGURED + further)
    told = refusal(pytester, "--tasks=hellaswagg")
    for place, problem, remedy in [
        ("tasks.fields", "prompt names the field 'txt'", "did you mean 'text'?"),
        ("tasks.fields", "target_field names the field 'pett'", "did you mean 'pet'?"),
        ("tasks.fields, gate 1", "has no metric 'acuracy'", "did you mean 'accuracy'?"),
        ("tasks.gates, gate 1", "has no metric 'acuracy'", "did you mean 'accuracy'?"),
        ("tasks.gates, gate 2", "at_least(value=50), and it can only be 0 to 1", "a share of 5% is 0.05"),
        ("tasks.gates, gate 3", "has no item with lang=de", "lang: en"),
        ("task 'malformed', gate 1", "unknown key 'at_lest'", "did you mean 'at_least'?"),
        ("task 'malformed', gate 2", "no rule", "give exactly one of"),
        ("tasks.gone", "no such data file", "check the path"),
        ("tasks.stars", "lm-eval knows no task, group or tag 'mmlu_astronomi'", "did you mean 'mmlu_astronomy'?"),
        ("margins.tasks.gatess", "there is no task of that name", "did you mean 'gates'?"),
        ("--tasks=hellaswagg", "task 'hellaswagg' is unknown", "hellaswag"),
    ]:
        lines = told.splitlines()
        found = [i for i, line in enumerate(lines) if place in line and problem in line]
        assert found, (place, problem, told)
        assert remedy in lines[found[0] + 1]


def test_a_task_that_no_selected_test_takes_stops_nobody(pytester: pytest.Pytester, root: Path) -> None:
    configure(root, {"gone": {**TASK, "data": "gone.jsonl", "gates": [GATE]}, "pets": {**TASK, "gates": [GATE]}})
    pytester.makepyfile(CONFIGURED)
    assert "gone.jsonl" in refusal(pytester, "--collect-only")
    result = pytester.runpytest_inprocess(*PLAIN, "--collect-only", "-q", "-k", "pets")
    assert result.ret == pytest.ExitCode.OK


def test_a_recipe_is_checked_with_its_data_and_base(pytester: pytest.Pytester, root: Path) -> None:
    configure(root, {})
    recipe = {
        "base": "./nowhere",
        "data": {"train": {"path": "pets.jsonl"}, "validation": {"path": "gone.jsonl"}},
    }
    (root / "mine.yaml").write_text(yaml.safe_dump(recipe))
    (root / "wrong.yaml").write_text(yaml.safe_dump({**recipe, "peft": {"rr": 2}, "trainer": {"max_stepps": 4}}))
    pytester.makepyfile("def test_it(compare): pass\n")
    told = refusal(pytester, "--adapter=recipe:mine.yaml")
    for words in ("./nowhere: no such directory", "mine.yaml: data.train", "mine.yaml: data.validation", "gone.jsonl"):
        assert words in told
    told = refusal(pytester, "--adapter=recipe:wrong.yaml")
    assert "unknown key 'rr'" in told and "unknown key 'max_stepps'" in told


def test_what_forgetting_is_measured_on_must_have_its_metrics(pytester: pytest.Pytester, root: Path) -> None:
    configure(root, {"pets": TASK}, forgetting={"knowledge": "pets", "math": "mini_maths"})
    pytester.makepyfile("def test_it(forgetting, compare): pass\n")
    told = refusal(pytester)
    assert "forgetting.knowledge: task 'pets' has no metric 'acc'" in told
    assert "forgetting.math: task 'mini_maths' is unknown" in told


def test_what_ships_is_read_along_answers_to_safetys_prompts_too(pytester: pytest.Pytester, root: Path) -> None:
    configure(root, {"gone": {**TASK, "data": "gone.jsonl"}}, safety={"harmful": "mini_harmfull"})
    pytester.makepyfile("def test_it(shipping): pass\n")
    told = refusal(pytester, "--shipped=adapter")
    assert "safety.harmful: task 'mini_harmfull' is unknown" in told
    assert "tasks.gone" in told
    assert pytester.runpytest_inprocess(*PLAIN, "-q").ret == pytest.ExitCode.OK  # nothing is named that ships


SOURCE = """
import pytest
TASK = "pets"

def test_metric(compare, gate):
    pets = compare(TASK)
    gate(pets.metric("acuracy").at_least(0.5))

def test_threshold(compare, gate):
    gate(compare("pets").where(lang="en").metric("accuracy").at_least(50))

def test_tags(compare, gate):
    gate(compare("pets").where(lang="de").metric("accuracy").at_least(0.5))

def test_sound(compare, gate):
    gate(compare("pets").metric("accuracy").at_least(0.5))

def test_expected(compare):
    with pytest.raises(Exception):
        compare("pest")

def test_conditional(compare):
    if "pest" == TASK:
        compare("pest")

@pytest.mark.parametrize("TASK", ["pest"])
def test_own_name(compare, TASK):
    compare(TASK).metric("acuracy")

def test_skips(compare):
    pytest.skip("not today")
    compare("pest")
"""


def test_what_a_test_names_in_its_source_is_known_before_it_runs(pytester: pytest.Pytester, root: Path) -> None:
    configure(root, {"pets": TASK})
    pytester.makeconftest(
        """
        def pytest_collection_finish(session):
            from harness.plugin.state import STATE
            for function, fault in session.config.stash[STATE].faults.items():
                print("fault:", function.__name__, "|", str(fault).replace(chr(10), " "))
        """
    )
    pytester.makepyfile(SOURCE)
    result = pytester.runpytest_inprocess(*PLAIN, "--collect-only", "-q", "-s")
    faults = {line.split()[1]: line for line in result.outlines if line.startswith("fault: ")}
    assert list(faults) == ["test_metric", "test_threshold", "test_tags"]
    assert "line 6: " in faults["test_metric"] and "did you mean 'accuracy'?" in faults["test_metric"]
    assert "it can only be 0 to 1" in faults["test_threshold"]
    assert "has no item with lang=de" in faults["test_tags"]
