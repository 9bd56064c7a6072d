"""What the tests of a session need, by their fixtures and parameters."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from harness.config.settings import Settings
from harness.errors import Complaints, ConfigError, TaskError, joined
from harness.gates.config import GateSpec
from harness.plugin.overfitting_fixtures import ROW_ANSWERS
from harness.plugin.reports import owns
from harness.plugin.source import needs_in_source
from harness.plugin.state import State
from harness.session.needs import (
    GateUse,
    Needs,
    TaskUse,
    at,
    configured_gate,
    configured_tasks,
    forgetting_tasks,
    further_tasks,
    judged_tasks,
    measured_in,
    refusal_tasks,
    safety_tasks,
    written_tasks,
)
from harness.session.preflight import check_files

_TASKS_OF = {"forgetting": forgetting_tasks, "safety": safety_tasks, "judge": judged_tasks}
_LIMITS = frozenset({"margins_of", "overfitting_rules_of", "overfitting_rules"})


def check_needs(state: State, items: Sequence[pytest.Item]) -> None:
    """Note what files tell of all that these tests need.

    What a test itself names in its source is its own fault, and the others run.
    """
    settings = state.settings
    needs = needs_of(items, settings)
    check_files(settings, needs, state.find_task, state.complaints)
    measured = list(needs.measured)
    for item in {item.function: item for item in items if isinstance(item, pytest.Function)}.values():
        named, complaints = needs_in_source(item), Complaints()
        check_files(settings, named, state.find_task, complaints)
        measured += named.measured
        if complaints.noted:
            state.faults[item.function] = joined(complaints.noted, TaskError)
    state.measured = list(dict.fromkeys(measured))


def needs_of(items: Sequence[pytest.Item], settings: Settings) -> Needs:
    """All that these tests need. What a test that is skipped would need is not."""
    running = [item for item in items if isinstance(item, pytest.Function) and item.get_closest_marker("skip") is None]
    fixtures = {name for item in running for name, found in item._fixtureinfo.name2fixturedefs.items() if owns(found)}
    recipe = ships = served = False
    with contextlib.suppress(ConfigError):  # which is told where the candidate is looked at
        named = settings.candidate_spec
        recipe = named is not None and named.recipe is not None
    with contextlib.suppress(ConfigError):  # where what ships is
        ships = settings.shipped_spec is not None
        served = settings.served_model is not None
    has_data = recipe or settings.config.data.train is not None
    weighed = "judged_pairs" in fixtures and has_data and settings.config.data.judged_pairs is not None
    judged = (fixtures & {"judge", "judge_health"} or weighed) and settings.judge is not None
    tasks, gates = list(_of_parameters(running, settings)), [use for item in running for use in _gates(item, settings)]
    for name in sorted(fixtures & _TASKS_OF.keys()):
        if name != "judge" or judged:
            tasks += _TASKS_OF[name](settings)
    measured = measured_in(tasks, gates)
    if fixtures & {"held_out_items", "items_in_use"} and has_data:
        tasks += configured_tasks(settings)
    if "items_in_use" in fixtures and has_data:
        others = [*forgetting_tasks(settings), *further_tasks(settings)]
        tasks += [replace(use, metrics=()) for use in others]  # their items are looked at, and not measured
    if ("shipping" in fixtures and ships) or ("parity" in fixtures and served):
        along = [*written_tasks(settings), *refusal_tasks(settings)]
        tasks += [replace(use, metrics=()) for use in along]  # whose answers it is read along, and not measured
    return Needs(
        tasks=tasks,
        gates=gates,
        measured=measured,
        candidate="subject" in fixtures,
        shipped="shipped" in fixtures,
        served="served" in fixtures,
        training_data="training_data" in fixtures,
        canaries="canaries" in fixtures and has_data,
        judge=bool(judged),
        limits=bool(fixtures & _LIMITS),
    )


def _of_parameters(items: Sequence[pytest.Function], settings: Settings) -> Iterator[TaskUse]:
    """The tasks for each of which a test is run."""
    for item in items:
        for fixture in ("task_name", "further_task", "answers"):
            name = _parameter(item, fixture)
            if name == ROW_ANSWERS or not isinstance(name, str) or not name:
                continue
            option = f"--tasks={','.join(settings.tasks)}"
            yield TaskUse(name, option if fixture == "further_task" else at(settings, f"tasks.{name}"))


def _gates(item: pytest.Function, settings: Settings) -> Iterator[GateUse]:
    gate = _parameter(item, "task_gate")
    if isinstance(gate, GateSpec):
        yield configured_gate(settings, gate)


def _parameter(item: pytest.Function, fixture: str) -> object:
    """What a fixture of this plugin is in this run of the test; None where the test does not take it."""
    if not owns(item._fixtureinfo.name2fixturedefs.get(fixture)):
        return None
    called = getattr(item, "callspec", None)
    return None if called is None else called.params.get(fixture)
