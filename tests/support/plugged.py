"""Plugins for one test, registered as if a distribution had brought them."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from harness import plugins
from harness.hookspecs import hookimpl


def plug_in(monkeypatch: pytest.MonkeyPatch, owner: str = "a-plugin 1.0", **hooks: Any) -> None:
    """Register functions by the names of their hooks, beside what ships."""
    module = ModuleType("plugged")
    for name, function in hooks.items():
        setattr(module, name, hookimpl(function))
    manager = plugins.plugin_manager.__wrapped__()
    manager.register(module, owner)
    monkeypatch.setattr(plugins, "plugin_manager", lambda: manager)
