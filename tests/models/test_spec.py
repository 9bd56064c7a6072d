from __future__ import annotations

import pytest

from harness.errors import AdapterError, ConfigError, ModelError
from harness.models import parse_adapter_spec, parse_model_spec, resolve_adapter, resolve_model


def test_the_four_kinds_are_told_apart(tmp_path):
    assert parse_model_spec("smollm2-135m").kind == "embedded"
    assert parse_model_spec(str(tmp_path)).kind == "local"
    assert parse_model_spec("org/Model-1.5B").kind == "hub"
    assert parse_adapter_spec("recipe:tool-calls-qlora").value == "tool-calls-qlora"


@pytest.mark.parametrize("text", ["/no/such/model", "./missing", "a/b/c", "~/nowhere-at-all"])
def test_a_missing_directory_is_named_with_the_remedy(text):
    with pytest.raises(ConfigError, match="no such directory") as caught:
        parse_model_spec(text)
    assert text in str(caught.value)
    assert "hub id" in caught.value.remedy


def test_a_file_is_not_a_model(tmp_path):
    (tmp_path / "model.gguf").touch()
    with pytest.raises(ConfigError, match="is a file"):
        parse_model_spec(str(tmp_path / "model.gguf"))


def test_an_empty_recipe_name_is_refused():
    with pytest.raises(ConfigError, match="names no recipe"):
        parse_adapter_spec("recipe:")


def test_a_directory_without_a_model_says_what_is_missing(tmp_path):
    with pytest.raises(ModelError, match=r"no config\.json"):
        resolve_model(parse_model_spec(str(tmp_path)))


def test_pickled_weights_are_named_and_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(ModelError, match=r"pickled weights found: pytorch_model\.bin"):
        resolve_model(parse_model_spec(str(tmp_path)))


def test_a_broken_config_is_named(tmp_path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelError, match=r"config\.json cannot be read"):
        resolve_model(parse_model_spec(str(tmp_path)))


def test_a_directory_without_an_adapter_says_what_is_missing(tmp_path):
    with pytest.raises(AdapterError, match=r"no adapter_config\.json"):
        resolve_adapter(parse_adapter_spec(str(tmp_path)))


def test_an_unreachable_hub_names_the_option_and_the_remedy(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="--model=nobody/nothing-at-all is no local directory") as caught:
        resolve_model(parse_model_spec("nobody/nothing-at-all"))
    assert "network" in caught.value.remedy
