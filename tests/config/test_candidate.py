"""What `--candidate` and `candidate:` may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.config import Config
from harness.config.candidate import Candidate, read_candidate
from harness.config.settings import make_settings
from harness.config.spec import AdapterSpec, ModelSpec
from harness.errors import ConfigError


def test_a_model_an_adapter_and_a_recipe_are_told_apart(tmp_path: Path) -> None:
    assert read_candidate(str(tmp_path)).model == ModelSpec("local", str(tmp_path))
    assert read_candidate("openai:tuned@http://localhost:8000/v1").model == ModelSpec(
        "server", "tuned@http://localhost:8000/v1", read_candidate("openai:tuned@http://localhost:8000/v1").model.served
    )
    assert read_candidate("recipe:mine").recipe == "mine"
    assert read_candidate("recipe:mine").model is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("org/name", ModelSpec("hub", "org/name")),
        ("org/name@v1.2", ModelSpec("hub", "org/name", revision="v1.2")),
        ("org/name@main/sub/folder", ModelSpec("hub", "org/name", revision="main", subfolder="sub/folder")),
    ],
)
def test_a_hub_id_has_a_revision_and_a_subfolder(text: str, found: ModelSpec) -> None:
    assert read_candidate(text).model == found


@pytest.mark.parametrize("text", ["org/name/sub", "org/name@", "org/name@main/../up", "a b"])
def test_what_is_no_hub_id_is_no_candidate(text: str) -> None:
    with pytest.raises(ConfigError, match="no such directory"):
        read_candidate(text)


def test_a_file_of_its_parts_finds_what_lies_beside_it(tmp_path: Path) -> None:
    for name in ("base", "sft", "dpo"):
        (tmp_path / name).mkdir()
    file = tmp_path / "candidate.yaml"
    file.write_text("model: base\nadapter: [sft, {path: dpo, weight: 0.5}]\nquantization: nf4\n")
    spec = read_candidate(str(file))
    assert spec.model == ModelSpec("local", str(tmp_path / "base"))
    assert spec.adapters == (
        AdapterSpec("local", str(tmp_path / "sft")),
        AdapterSpec("local", str(tmp_path / "dpo"), weight=0.5),
    )
    assert (spec.quantization, spec.combination) == ("nf4", "cat")


def test_a_list_in_brackets_is_a_stack() -> None:
    spec = read_candidate("[org/sft, {path: org/dpo, weight: -1}]")
    assert [(one.value, one.weight) for one in spec.adapters] == [("org/sft", 1.0), ("org/dpo", -1.0)]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{modell: x}", "--candidate: unknown key 'modell'"),
        ("[recipe:a, org/b]", "one of several adapters"),
        ("{adapter: [org/a, 'openai:m@http://h/v1']}", "is served"),
        ("{adapter: org/a, combination: mean}", "combination"),
        ("{adapter: org/a, combination: ties}", "no density is given"),
        ("{adapter: org/a, density: 0.5}", "prunes nothing"),
        ("{adapter: [{path: org/a, weight: .nan}]}", "weight"),
    ],
)
def test_what_cannot_be_is_named(text: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named.replace("[", r"\[")):
        read_candidate(text)


def settings(tmp_path: Path, config: dict[str, Any] | None = None, **given: Any) -> Any:
    return make_settings(Config(root=tmp_path, **(config or {})), **given)


def test_adapter_and_candidate_together_are_refused_with_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="both name what is on trial") as error:
        settings(tmp_path, adapter="org/a", candidate="org/b")
    assert "--candidate='{model: MODEL, adapter: ADAPTER}'" in error.value.remedy


def test_an_option_comes_before_the_file_and_the_files_candidate_before_its_recipe(tmp_path: Path) -> None:
    config = {"candidate": Candidate(model="org/full"), "recipe": "mine"}
    assert settings(tmp_path, config).candidate_spec.model.value == "org/full"
    assert settings(tmp_path, config, candidate="org/other").candidate_spec.model.value == "org/other"
    assert settings(tmp_path, config, adapter="org/a").candidate_spec.adapters[0].value == "org/a"
    assert settings(tmp_path, {"recipe": "mine"}).candidate_spec.recipe == "mine"
    assert settings(tmp_path).candidate_spec is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[{path: a, weight: .nan}, owner/name]", "adapter.0.weight is nan\n  remedy: give a number"),
        ("[owner/name, {path: a, weight: 1e400}]", "adapter.1.weight is inf"),
        ("[{weight: 1}]", "adapter.0.path is missing"),
        ("[{path: a, wieght: 1}]", "adapter.0: unknown key 'wieght'\n  remedy: did you mean 'weight'?"),
        ("{adapter: 3}", "adapter is 3 (int)"),
        (
            "{generation: {temperature: 1}}",
            "'generation' is no part of a candidate\n  remedy: answers are decoded greedily",
        ),
        ("{engine: vllm}", "'engine' is no part of a candidate\n  remedy: a model's name says what runs it"),
        ("{template_args: {day: 2027-01-01}}", "template_args: it holds what JSON has no word for"),
        ("{template_args: {share: .nan}}", "template_args: it holds what JSON has no word for"),
        ("x" * 300, "File name too long"),
    ],
)
def test_what_is_wrong_is_told_once_and_where_it_was_written(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_candidate(text)
    assert told in str(caught.value)
    assert len(caught.value.complaints) == 1 and "constrained" not in str(caught.value)
