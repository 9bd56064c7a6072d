"""The pytest plugin, registered by entry point. Loading it imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from harness.config.settings import Settings
from harness.errors import AssayError, ConfigError
from harness.plugin import config_fixtures, fixtures, training_fixtures
from harness.plugin.finish import finish_run
from harness.plugin.options import add_options
from harness.plugin.precedence import SUITES, mark_by_name, note_failures, rank, skip_if_broken
from harness.plugin.reports import VerdictCollector, annotate_report, carried_verdicts, measures, owns
from harness.plugin.state import STATE, State
from harness.plugin.terminal import write_summary

FIXTURE_MODULES = (fixtures, config_fixtures, training_fixtures)
PARAMETRIZED = ("task_gate", "task_name", "further_task", "answers")
"""Fixtures for each of whose values a test that takes them is run once."""

_NO_FURTHER_TASK = pytest.param("", marks=pytest.mark.skip(reason="--tasks names no further task"), id="none")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register options and ini twins."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Register markers and fixtures, and start this session's state; the process that reports also collects verdicts."""
    for name, question in SUITES.items():
        config.addinivalue_line("markers", f"{name}: {question}")
    for module in FIXTURE_MODULES:
        config.pluginmanager.register(module)
    state = config.stash[STATE] = State(config)
    if not state.is_worker:
        config.pluginmanager.register(VerdictCollector(state), "assay-verdicts")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each gate or task it takes."""
    wanted = [name for name in PARAMETRIZED if owns(metafunc._arg2fixturedefs.get(name))]
    if not wanted:
        return
    state = metafunc.config.stash[STATE]
    values: Mapping[str, Sequence[Any]] = {}
    try:
        values = _values(state.settings)
    except ConfigError as exc:
        state.usage_error = str(exc)  # raised once, at the end of the collection
    for name in wanted:
        metafunc.parametrize(name, values.get(name, ()), indirect=True)


def _values(settings: Settings) -> dict[str, Sequence[Any]]:
    """Fixture -> what it is in one run of a test after another."""
    from harness.gates.config import gates_from_config
    from harness.tasks.kinds import generates

    tasks = settings.config.tasks
    gates = [gate for name, spec in tasks.items() for gate in gates_from_config(name, spec.get("gates"))]
    generating = [name for name, spec in tasks.items() if generates(spec)]
    return {
        "task_gate": [pytest.param(gate, id=gate.id) for gate in gates],
        "task_name": generating,
        "further_task": settings.tasks or [_NO_FURTHER_TASK],
        "answers": [training_fixtures.ROW_ANSWERS, *generating],
    }


@pytest.hookimpl(tryfirst=True)  # before -m selects by the markers
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put data before training and integrity before what costs more; raise for a wrong option once, instead of once a test."""
    gating = [item for item in items if measures(item)]
    mark_by_name(gating)
    items.sort(key=lambda item: rank(item) if measures(item) else 0)
    state = config.stash[STATE]
    if gating and not state.usage_error:
        try:
            _ = state.settings, state.baseline
            if any("adapter" in item.fixturenames for item in gating if isinstance(item, pytest.Function)):
                state.check_adapter()
        except AssayError as exc:
            state.usage_error = str(exc)
    if not state.usage_error:
        return
    if state.is_worker:
        items.clear()  # the controller raises it, once for all workers
        return
    error, state.usage_error = state.usage_error, ""
    raise pytest.UsageError(error)


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Count the tests that gate and were left out: such a run is a part of the evidence."""
    for item in items:
        item.config.stash[STATE].deselected += measures(item)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Spare what costs more where the adapter is broken."""
    if measures(item):
        skip_if_broken(item.config.stash[STATE], item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Any:
    """Put a test's verdicts on its report, and tell what could not be measured from what failed."""
    report = yield
    annotate_report(report, item, call)
    note_failures(item.config.stash[STATE], item, carried_verdicts(report))
    return report


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, Any] | None:
    """Show an undecided gate as what it is where it does not fail its test."""
    undecided = any(v.outcome == "inconclusive" for v in carried_verdicts(report))
    if report.when == "call" and report.passed and undecided:
        return "inconclusive", "i", ("INCONCLUSIVE", {"yellow": True})
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the run; an xdist worker hands what it found out to the controller."""
    state = session.config.stash[STATE]
    if state.is_worker:
        facts = state.facts()
        session.config.workeroutput["assay"] = {  # type: ignore[attr-defined]
            "usage_error": state.usage_error,
            "deselected": state.deselected,
            "facts": json.dumps(facts.to_json()) if facts is not None else None,
        }
        return
    state.forget_failed_integrity()
    if state.usage_error:
        session.exitstatus = pytest.ExitCode.USAGE_ERROR
    else:
        finish_run(state, session)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the verdicts and where the report is."""
    write_summary(terminalreporter, config.stash[STATE])
