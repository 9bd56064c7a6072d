"""`pytest suites/ --adapter=recipe:NAME` of a recipe that a provider trains: its log is gated, its answers are asked for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from faulty_server import Body, chat_answer
from project import Project, gate_test
from provider_recipes import KEY, Serve, rows
from provider_server import MODEL, Provider

SUITES = Path(__file__).parents[3] / "suites"
BETTER = '    gate(compare("pets").metric("accuracy").superior(by=0.1))\n'


def says_cat_once_trained(path: str, body: Body) -> Body:
    """The model that was trained knows the answer to every even question, and the base to none."""
    knows = body["model"].startswith("ft:")
    number = int(body["messages"][-1]["content"].split()[-1])
    return chat_answer(("cat", "dog")[number % 2] if knows else "bird")


@pytest.fixture
def project(heavy_libraries: None, pytester: pytest.Pytester, tiny_model_dir: Path) -> Project:
    """A project whose recipe a provider trains."""
    made = Project(pytester, tiny_model_dir, None)
    made.config = {"tasks": made.config["tasks"], "recipe": "served"}
    made.write_rows(rows(), "train.jsonl")
    made.write_tests(gate_test("better", BETTER))
    return made


def write_recipe(project: Project, url: str, **changes: object) -> None:
    document = {
        "base": f"openai:{MODEL}@{url}",
        "method": "openai",
        "data": {"train": {"path": "train.jsonl"}},
        "trainer": {"n_epochs": 1},
        "limits": {"tokens": 10_000},
        **changes,
    }
    recipes = project.root / "fixtures" / "recipes"
    recipes.mkdir(parents=True, exist_ok=True)
    (recipes / "served.yaml").write_text(yaml.safe_dump(document))


def test_the_candidate_is_trained_asked_and_gated_and_suites_that_need_files_are_skipped(
    project: Project, serve: Serve
) -> None:
    provider = Provider(answer=says_cat_once_trained, said=(f"your key is {KEY}",))
    server = serve(provider)
    write_recipe(project, server.url)
    for suite in ("test_training.py", "test_integrity.py", "test_data.py"):
        shutil.copy(SUITES / suite, project.root)
    project.run("-k", "better or training or integrity or data")
    outcomes = {name: one["outcome"] for name, one in project.verdicts.items()}
    assert outcomes["pets/pets/accuracy/superior"] == "pass"
    assert {outcomes[f"training/{gate}"] for gate in ("finite_log", "loss_drop/at_least", "loss_rise/at_most")} == {
        "pass"
    }
    assert "error" not in outcomes.values()
    assert {name for name in outcomes if name.startswith("integrity/")} <= {"integrity/pets/stops_with_eos/at_least"}
    assert project.manifest["adapter"]["name"].startswith(f"ft:{MODEL}")
    assert project.manifest["adapter"]["recipe"] == "served"
    assert (project.manifest["training"]["steps"], len(provider.jobs)) == (12, 1)
    training = json.loads((project.run_directory / "training.json").read_text())
    assert training["recipe"]["method"] == "openai"
    assert [point["loss"] for point in training["points"]][-1] == pytest.approx(0.5)
    kept = [file.read_bytes() for file in project.run_directory.rglob("*") if file.is_file()]
    assert kept and not any(KEY.encode() in content for content in kept)
    asked = len(server.seen)
    write_recipe(project, server.url, limits={"tokens": 10})
    project.run("-k", "better").stdout.fnmatch_lines(["*adapter from the cache;*"])
    assert [seen.path for seen in server.seen[asked:] if "models" not in seen.path] == []


def test_rows_that_the_api_would_refuse_are_told_before_any_test_runs(project: Project, serve: Serve) -> None:
    server = serve(Provider())
    call = {"id": "call-1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    calling = [{"role": "user", "content": "?"}, {"role": "assistant", "tool_calls": [call]}]
    project.write_rows([*rows(), {"messages": calling}], "train.jsonl")
    write_recipe(project, server.url)
    project.run().stderr.fnmatch_lines(
        ["*served.yaml: train.jsonl row 13 calls 'weather' (str) in turn 2, which is none*"]
    )
    assert server.seen == []


def test_a_training_that_costs_too_much_is_told_before_any_test_runs(project: Project, serve: Serve) -> None:
    server = serve(Provider())
    write_recipe(project, server.url, limits={"tokens": 10})
    project.run().stderr.fnmatch_lines(["*limits.tokens is 10*"])
    assert server.seen == []
