"""Plugins for one test, registered as if a distribution had brought them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from types import ModuleType
from typing import Any

import pytest

from harness import plugins
from harness.config.spec import ServedModel
from harness.engines import Batch, Generation, Request
from harness.engines.requests import Answers
from harness.hookspecs import hookimpl


def plug_in(monkeypatch: pytest.MonkeyPatch, owner: str = "a-plugin 1.0", **hooks: Any) -> None:
    """Register functions by the names of their hooks, beside what ships."""
    module = ModuleType("plugged")
    for name, function in hooks.items():
        setattr(module, name, hookimpl(function))
    manager = plugins.plugin_manager.__wrapped__()
    manager.register(module, owner)
    monkeypatch.setattr(plugins, "plugin_manager", lambda: manager)


class Echo:
    """Answers everything with the name of the model."""

    def __init__(self, served: ServedModel, concurrency: int) -> None:
        self.served = served

    def plan(self, requests: Sequence[Request]) -> list[Batch]:
        return [Batch([index], partial(self._answer, index)) for index in range(len(requests))]

    def _answer(self, index: int) -> Answers:
        yield index, Generation(self.served.name, "eos", 1, 1, 0.0)


def read_echo(text: str, option: str) -> ServedModel:
    return ServedModel(text.removeprefix("echo:"), "", "echo")
