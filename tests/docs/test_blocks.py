"""YAML, JSON and Python of README and docs are what the project takes."""

from __future__ import annotations

import ast
import json
import re
import textwrap
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from documents import PAGES, ROOT, Block, blocks, blocks_of
from generator.sources import fixtures
from project import Project

from harness.config import load_config
from harness.config.merge_recipe import read_merge_recipe
from harness.gates.config import gates_from_config
from harness.tasks.build import build_task
from harness.training.recipe_files import load_recipe

LANGUAGES = {"console", "text", "yaml", "json", "python"}
TASK_NAME = re.compile(r"""(?:compare|evaluate)\("(\w+)""")
# what a test says where it fails on the tiny model; anything else is a mistake of the page
HONEST = re.compile(r"assert |AssertionError|Failed: |inconclusive")


def by_id(found: Sequence[Block]) -> list[object]:
    return [pytest.param(block, id=block.id) for block in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_says_its_language(page: Path) -> None:
    assert {block.language for block in blocks_of(page)} <= LANGUAGES


@pytest.mark.parametrize("block", by_id(blocks("yaml")))
def test_yaml_is_taken_by_the_loader(block: Block, tmp_path: Path) -> None:
    file = tmp_path / Path(block.title).name
    file.write_text(block.source)
    if Path(block.title).parent == Path("fixtures/recipes"):
        load_recipe(file, root=tmp_path)
        return
    if block.title == "recipe.yaml":
        assert read_merge_recipe(file).document
        return
    assert block.title == "assay.yaml"
    (tmp_path / "fixtures").symlink_to(ROOT / "fixtures")
    (tmp_path / "data").mkdir()
    for data in blocks("json"):
        (tmp_path / data.title).write_text(data.source)
    for name, spec in load_config(file).tasks.items():
        gates_from_config(name, spec.get("gates"))
        if spec["kind"] != "lm_eval":
            build_task(name, spec, root=tmp_path)


@pytest.mark.parametrize("block", by_id(blocks("json")))
def test_json_parses_line_by_line(block: Block) -> None:
    assert all(isinstance(json.loads(line), dict) for line in block.source.splitlines())


@pytest.mark.parametrize("block", by_id(blocks("python")))
def test_python_compiles(block: Block) -> None:
    compile(block.source, block.id, "exec")


def test_own_data_page_gates_as_it_says(project: Project) -> None:
    page = ROOT / "docs/how-to/own-data.md"
    found = {block.title: block.source for block in reversed(list(blocks_of(page))) if block.title}
    project.config["tasks"] = yaml.safe_load(found["assay.yaml"])["tasks"]
    project.config["tasks"]["tickets"]["max_new_tokens"] = 4
    data = project.root / "data" / "tickets.jsonl"
    data.parent.mkdir()
    data.write_text(found["data/tickets.jsonl"])
    project.write_tests((ROOT / "suites/test_task.py").read_text(), name="test_task.py")
    project.run("test_task.py")
    verdicts = project.verdicts
    assert set(verdicts) == {
        "task/tickets/accuracy/superior",
        "task/tickets[language=de]/accuracy/at_least",
        "task/tickets/macro_f1/at_least",
    }
    assert "error" not in {verdict["outcome"] for verdict in verdicts.values()}


def test_gates_in_python_run(project: Project, adapter: Path) -> None:
    """On random weights they may fail or be undecided, but each must be a test that asks what it says."""
    rows = [
        {"text": f"ticket {i}", "team": ("billing", "support")[i % 2], "language": ("de", "en")[i // 2 % 2]}
        for i in range(24)
    ]
    project.write_rows(rows, "tickets.jsonl")
    project.write_rows([{"prompt": f"Say {i}.", "completion": f"It is number {i}."} for i in range(40)], "train.jsonl")
    project.write_rows(
        [{"prompt": f"Now {i}.", "completion": f"That was number {i}."} for i in range(20)], "held_out.jsonl"
    )
    project.config |= {
        "tasks": {
            "tickets": {
                "kind": "classification",
                "data": "tickets.jsonl",
                "prompt": "{text}",
                "target_field": "team",
                "tag_fields": ["language"],
                "max_new_tokens": 4,
                "gates": [{"metric": "answer_tokens", "at_most": 4}],
            }
        },
        "shipped": {"adapter": str(adapter)},
        "data": {"train": "train.jsonl", "validation": "held_out.jsonl"},
        "overfitting": {"extraction_queries": 2},
        "profiles": {"smoke": {"limit": 8, "limits": {"mini_harmful": 8, "row_answers": 8}}},
    }
    project.adapter = adapter
    losses = [{"step": step, "loss": 3 - step / 20} for step in range(2, 41, 2)]
    state = {"global_step": 40, "max_steps": 40, "log_history": [*losses, {"step": 40, "eval_loss": 1.5}]}
    (adapter / "trainer_state.json").write_text(json.dumps(state))
    sources = {block.id: block.source for block in blocks("python") if "def test_" in block.source}
    for name, fixture in fixtures().items():
        sources[f"fixture {name}"] = example(fixture.__doc__ or "")
    runnable = [source for source in sources.values() if set(TASK_NAME.findall(source)) <= set(project.config["tasks"])]
    for number, source in enumerate(runnable):
        project.write_tests(source, name=f"test_{number}.py")
    project.run("--junit-xml=results.xml", "--keep-going")
    cases = list(ET.parse(project.root / "results.xml").getroot().iter("testcase"))
    assert len(cases) >= sum(source.count("def test_") for source in runnable)
    problems = [problem for case in cases for problem in (*case.findall("failure"), *case.findall("error"))]
    assert not [p.get("message") for p in problems if not HONEST.match(p.get("message") or "")]
    assert sum(case.find("skipped") is None for case in cases) > 0.7 * len(cases)


def example(docstring: str) -> str:
    """The example of a fixture's docstring."""
    return textwrap.dedent(docstring.partition("Example:\n")[2])


def test_each_fixture_has_an_example_that_takes_it() -> None:
    for name, fixture in fixtures().items():
        tests = [node for node in ast.parse(example(fixture.__doc__ or "")).body if isinstance(node, ast.FunctionDef)]
        assert tests, f"the docstring of fixture {name} has no example"
        assert any(name in {argument.arg for argument in test.args.args} for test in tests), name
