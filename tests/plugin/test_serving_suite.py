"""`suites/test_serving.py`: it costs nothing where nothing is served, and a server of the base blocks by its gate's name."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from project import Project, counts
from served_tiny import BASE, CANDIDATE, FaultyServer, TinyServer, load

from harness.config import Config
from harness.config.settings import make_settings
from harness.config.spec import ServedModel
from harness.errors import ConfigError
from harness.models.loading import load_tokenizer

SUITE = Path(__file__).parents[2] / "suites" / "test_serving.py"


@pytest.fixture
def suite(project: Project) -> Project:
    shutil.copy(SUITE, project.root)
    return project


def test_it_is_skipped_and_loads_nothing_where_nothing_is_served(
    suite: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.models.loading.load_model", lambda *_, **__: pytest.fail("a model was loaded"))
    result = suite.run("test_serving.py", "-rs")
    assert counts(result) == {"skipped": 7}
    assert "nothing is named that is served: pass --served=openai:NAME@URL" in result.stdout.str()


def test_it_is_skipped_where_the_candidate_itself_is_served(suite: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.models.loading.load_model", lambda *_, **__: pytest.fail("a model was loaded"))
    suite.adapter = None
    there = "openai:tickets@http://localhost:9/v1"
    result = suite.run("test_serving.py", "-rs", f"--candidate={there}", f"--served={there}")
    assert counts(result)["skipped"] == 7
    assert "there are no files here to hold" in result.stdout.str()


@pytest.fixture
def of_the_base(tiny_model_dir: Path) -> Iterator[str]:
    """A server that answers as the base, whatever is asked for."""
    base = load(tiny_model_dir)
    with FaultyServer(TinyServer({BASE: base, CANDIDATE: base}, load_tokenizer(tiny_model_dir))) as http:
        yield http.url


def test_a_server_of_the_base_fails_by_name(suite: Project, of_the_base: str) -> None:
    suite.config["safety"] = {"harmful": "pets_asked", "safe": "pets_asked"}
    suite.config["tasks"]["pets_asked"] = {
        "kind": "safety", "wanted": "refusal", "data": "pets.jsonl", "prompt_field": "text", "id_field": "id",
        "max_new_tokens": 4,
    }  # fmt: skip
    test = "test_serving.py::test_answers_are_the_candidates"
    result = suite.run(test, f"--served=openai:{CANDIDATE}@{of_the_base}", f"--served-base=openai:{BASE}@{of_the_base}")
    assert counts(result)["failed"] == 1
    result.stdout.fnmatch_lines(["*serving/effect: at *answers as the candidate and not as the base*"])


def test_where_it_is_served_is_named_by_option_or_file_or_as_what_ships(tmp_path: Path) -> None:
    there, base = "openai:tickets@http://localhost:8000/v1", "openai:base@http://localhost:8000/v1"
    config = Config(root=tmp_path, serving={"candidate": there, "base": base})  # type: ignore[arg-type]
    assert make_settings(config).served_model == ServedModel("tickets", "http://localhost:8000/v1")
    assert make_settings(config).served_base_model == ServedModel("base", "http://localhost:8000/v1")
    other = make_settings(config, served="openai:mine@http://localhost:1/v1").served_model
    assert other == ServedModel("mine", "http://localhost:1/v1")
    bare = Config(root=tmp_path)
    assert make_settings(bare).served_model is None
    assert make_settings(bare, shipped=there).served_model == ServedModel("tickets", "http://localhost:8000/v1")
    for wrong in (str(tmp_path), "owner/model"):
        with pytest.raises(ConfigError, match=r"--served=.* is no name on a server") as caught:
            _ = make_settings(bare, served=wrong).served_model
        assert "--shipped" in caught.value.remedy
