from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from plugged import plug_in

from harness.config.candidate import adapter_subject
from harness.engines import Batch, Engine, GenerateRequest, Generation, Prompt
from harness.engines.backends import ServingEngine, make_backend, served_identity
from harness.engines.cache import AnswerCache
from harness.engines.local import LocalBackend
from harness.engines.server import ServerBackend
from harness.errors import ConfigError
from harness.models import Identity, ServedModel, parse_adapter_spec, parse_model_spec, resolve_model


class Echo:
    """Answers with the prompt and the name of the model."""

    def __init__(self, served: ServedModel, concurrency: int) -> None:
        self.served = served
        self.concurrency = concurrency

    def plan(self, requests):
        return [Batch([index], partial(self._answer, index, request)) for index, request in enumerate(requests)]

    def _answer(self, index, request):
        yield index, Generation(f"{self.served.name}: {request.prompt.text}", "eos", 1, 1, 0.0)


def read_echo(text: str, option: str) -> ServedModel:
    return ServedModel(text.removeprefix("echo:"), "", "echo")


ECHO = ServingEngine("echo", read_echo, lambda served: Identity({"echo": served.name}), Echo)


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine, registered for one test."""
    plug_in(monkeypatch, register_engines=lambda register: register(ECHO))


def never_loaded():
    raise AssertionError("a model was loaded")


def test_a_registered_engine_answers_for_the_models_and_adapters_of_its_scheme(echo, tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "answers.sqlite")
    adapter = adapter_subject("echo:two").model
    assert adapter is not None
    said = {}
    for judged in (resolve_model(parse_model_spec("echo:one")), resolve_model(adapter)):
        assert judged.is_served
        assert isinstance(judged.location, ServedModel)
        engine = Engine(served_identity(judged.location).digest, make_backend(judged.location, never_loaded), cache)
        [(_, answer)] = engine.generate([GenerateRequest(Prompt(text="hi"))])
        said[str(judged.location)] = answer.text
    assert said == {"one": "one: hi", "two": "two: hi"}


def test_a_served_engine_takes_how_much_to_ask_at_once(echo) -> None:
    assert make_backend(read_echo("echo:one", "--judge"), never_loaded, concurrency=3).concurrency == 3


def test_a_recipe_stays_a_recipe_whatever_a_plugin_registers(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = ServingEngine("recipe", read_echo, ECHO.identity, Echo)
    plug_in(monkeypatch, register_engines=lambda register: register(recipe))
    assert parse_adapter_spec("recipe:mine").kind == "recipe"


def test_a_model_on_disk_is_answered_for_in_process_and_one_on_a_server_by_it(tmp_path: Path) -> None:
    assert isinstance(make_backend(tmp_path, never_loaded), LocalBackend)
    served = parse_model_spec("openai:m@http://localhost:1/v1").served
    assert served is not None
    assert isinstance(make_backend(served, never_loaded), ServerBackend)


def test_a_scheme_without_an_engine_is_no_model() -> None:
    with pytest.raises(ConfigError, match="no such directory"):
        parse_model_spec("echo:one")
