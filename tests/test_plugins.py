"""Registries of what plugins register: names, owners, and errors that say whose they are."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from typing import Any

import pytest
from plugged import plug_in

from harness.errors import AssayError, ConfigError, TaskError
from harness.gates.kinds import KINDS, RuleKind
from harness.hookspecs import PROJECT
from harness.metrics.answers import ANSWER_METRICS
from harness.plugins import Registry, plugin_manager
from harness.tasks.kinds import TASK_KINDS


@dataclass(frozen=True)
class Thing:
    name: str


def rule(name: str) -> RuleKind:
    return replace(KINDS.get("at_most"), name=name)


def test_what_a_plugin_registers_stands_after_what_ships(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, register_gate_rules=lambda register: register(rule("mine")))
    assert KINDS.names() == ["superior", "non_inferior", "at_least", "at_most", "mine"]
    monkeypatch.undo()
    assert "mine" not in KINDS


def test_a_name_that_is_taken_names_both_distributions(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, "other-rules 2.0 (other)", register_gate_rules=lambda register: register(rule("at_least")))
    with pytest.raises(ConfigError, match=r"'at_least' of other-rules 2\.0 .* from adapter-assay") as error:
        KINDS.names()
    assert "ASSAY_DISABLE_PLUGINS=1" in error.value.remedy


def test_a_hook_that_fails_names_its_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, "bad 0.1", register_metrics=lambda register: register(Thing(1 / 0)))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"plugin of bad 0\.1 is broken: register_metrics failed: division by zero"):
        ANSWER_METRICS.names()


@pytest.mark.parametrize(("registry", "kind"), [(KINDS, ConfigError), (TASK_KINDS, TaskError)])
def test_an_unknown_name_is_the_registry_s_own_error_with_the_nearest(
    registry: Registry[Any], kind: type[AssayError]
) -> None:
    known = registry.names()[0]
    with pytest.raises(kind, match=rf"there is no .* '{known}s'\n.*did you mean '{known}'\?"):
        registry.get(f"{known}s")


def test_every_hook_is_on_the_one_page_and_documented() -> None:
    from harness import hookspecs

    hooks = [function for name, function in vars(hookspecs).items() if name.startswith("register_")]
    assert {hook.__name__ for hook in hooks} == set(vars(plugin_manager().hook))
    assert all(hook.__doc__ for hook in hooks)


def test_the_lowest_layer_imports_nothing_of_the_house_but_its_errors() -> None:
    code = (
        "import sys, harness.plugins;"
        "print(sorted(m for m in sys.modules if m.startswith('harness.') or m in ('numpy', 'torch', 'pydantic')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(["harness.errors", "harness.hookspecs", "harness.moved", "harness.plugins"])


def test_loading_what_ships_brings_no_library_that_computes() -> None:
    code = (
        "import sys; from harness.tasks.kinds import TASK_KINDS; from harness.gates.kinds import KINDS;"
        "TASK_KINDS.names(), KINDS.names();"
        "print(sorted({'numpy', 'torch', 'transformers', 'pandas', 'scipy', 'openai'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_group_of_entry_points_keeps_its_name() -> None:
    assert PROJECT == "adapter_assay"
