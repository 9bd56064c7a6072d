from __future__ import annotations

import pytest

from harness.config.candidate import adapter_subject
from harness.config.spec import parse_on_server
from harness.errors import AdapterError, ConfigError, ModelError
from harness.models import parse_adapter_spec, parse_model_spec, resolve_adapter, resolve_model


def test_the_kinds_are_told_apart(tmp_path):
    assert parse_model_spec("smollm2-135m").kind == "embedded"
    assert parse_model_spec(str(tmp_path)).kind == "local"
    assert parse_model_spec("org/Model-1.5B").kind == "hub"
    assert parse_adapter_spec("recipe:tool-calls-qlora").value == "tool-calls-qlora"
    assert parse_model_spec("openai:base@http://localhost:8000/v1").kind == "server"


@pytest.mark.parametrize("text", ["/no/such/model", "./missing", "a/b/c", "~/nowhere-at-all"])
def test_a_missing_directory_is_named_with_the_remedy(text):
    with pytest.raises(ConfigError, match="no such directory") as caught:
        parse_model_spec(text)
    assert text in str(caught.value)
    assert "hub id" in caught.value.remedy


def test_a_file_is_not_a_model(tmp_path):
    (tmp_path / "model.bin").touch()
    with pytest.raises(ConfigError, match="is a file"):
        parse_model_spec(str(tmp_path / "model.bin"))


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


@pytest.mark.parametrize(
    ("text", "name", "url"),
    [
        ("openai:base@http://localhost:8000/v1", "base", "http://localhost:8000/v1"),
        ("openai:org/Model@main@https://Models.Example.org:443/v1/", "org/Model@main", "https://models.example.org/v1"),
        ("openai:/srv/model@http://[::1]:8000", "/srv/model", "http://[::1]:8000"),
    ],
)
def test_a_served_name_and_its_url_are_divided_at_the_scheme_and_spelled_one_way(text, name, url):
    spec = parse_model_spec(text)
    assert (spec.served.name, spec.served.url, spec.value) == (name, url, f"{name}@{url}")
    assert adapter_subject(text).model == spec


@pytest.mark.parametrize(
    "text",
    ["openai:", "openai:base", "openai:@http://h/v1", "openai:base@h:80/v1", "openai:base@http://", "openai:a b@http://h",
     "openai:base@http://:80/v1", "openai:base@http://h:port/v1", "openai:base@http://[::1/v1"],
)  # fmt: skip
def test_a_malformed_served_name_is_named_with_the_remedy(text):
    for parse, option in ((parse_model_spec, "--model"), (adapter_subject, "--adapter")):
        with pytest.raises(ConfigError) as caught:
            parse(text)
        assert f"{option}={text}" in caught.value.problem
        assert "openai:NAME@URL" in caught.value.remedy


@pytest.mark.parametrize("url", ["https://user:hunter2@h/v1", "https://hunter2@h/v1", "https://h/v1?api_key=hunter2"])
def test_a_secret_in_the_url_is_refused_and_not_repeated(url):
    with pytest.raises(ConfigError) as caught:
        parse_model_spec(f"openai:base@{url}")
    assert "hunter2" not in str(caught.value)
    assert "OPENAI_API_KEY" in caught.value.remedy


def test_a_secret_that_breaks_the_url_is_not_repeated():
    with pytest.raises(ConfigError) as caught:
        parse_model_spec("openai:base@https://user:hunter2/slash@h/v1")
    assert "hunter2" not in str(caught.value)


def test_what_is_no_name_on_a_server_is_told_without_its_password() -> None:
    with pytest.raises(ConfigError, match=r"--served=http://host/v1 is no name on a server"):
        parse_on_server("http://someone:secret@host/v1", "--served")
