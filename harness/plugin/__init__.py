"""The pytest plugin, registered by entry point. Loading it imports no torch."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.errors import ConfigError
from harness.plugin.finish import finish_run
from harness.plugin.fixtures import (
    adapter,
    adapter_directory,
    assay,
    base,
    candidate,
    compare,
    evaluate,
    forgetting,
    further_task,
    gate,
    loaded_model,
    margins,
    task_gate,
    task_name,
    training_points,
)
from harness.plugin.options import add_options
from harness.plugin.reports import VerdictCollector, annotate_report, carried_verdicts, measures, owns
from harness.plugin.state import STATE, State
from harness.plugin.terminal import write_summary

__all__ = [
    "adapter",
    "adapter_directory",
    "assay",
    "base",
    "candidate",
    "compare",
    "evaluate",
    "forgetting",
    "further_task",
    "gate",
    "loaded_model",
    "margins",
    "task_gate",
    "task_name",
    "training_points",
]

_NO_FURTHER_TASK = pytest.param("", marks=pytest.mark.skip(reason="--tasks names no further task"), id="none")
# kinds whose answers are probabilities, and lm-eval's, which may be
_NOT_GENERATED = ("multiple_choice", "plain_text", "lm_eval")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register options and ini twins."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Start this session's state; the process that reports to the user also collects verdicts."""
    state = config.stash[STATE] = State(config)
    if not state.is_worker:
        config.pluginmanager.register(VerdictCollector(state), "assay-verdicts")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes `task_gate` or `task_name` once for each in assay.yaml, `further_task` for each of `--tasks`."""
    from harness.gates.config import gates_from_config

    wanted = {name for name in ("task_gate", "task_name", "further_task") if owns(metafunc._arg2fixturedefs.get(name))}
    if not wanted:
        return
    state = metafunc.config.stash[STATE]
    try:
        tasks = state.settings.config.tasks
        gates = [gate for name, spec in tasks.items() for gate in gates_from_config(name, spec.get("gates"))]
        further = list(state.settings.tasks)
    except ConfigError as exc:
        state.usage_error = str(exc)  # told once, at the end of the collection
        tasks, gates, further = {}, [], []
    if "task_gate" in wanted:
        metafunc.parametrize("task_gate", gates, indirect=True, ids=[gate.id for gate in gates])
    if "task_name" in wanted:
        names = [name for name, spec in tasks.items() if spec.get("kind") not in _NOT_GENERATED]
        metafunc.parametrize("task_name", names, indirect=True, ids=names)
    if "further_task" in wanted:
        params = [pytest.param(name, id=name) for name in further]
        metafunc.parametrize("further_task", params or [_NO_FURTHER_TASK], indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Integrity before what costs more; and tell a wrong option once, instead of once a test."""
    items.sort(key=lambda item: measures(item) and item.path.name != "test_integrity.py")
    state = config.stash[STATE]
    if not state.usage_error and any(measures(item) for item in items):
        try:
            _ = state.settings
        except ConfigError as exc:
            state.usage_error = str(exc)
    if not state.usage_error:
        return
    if state.is_worker:
        items.clear()  # the controller tells it, once for all workers
        return
    told, state.usage_error = state.usage_error, ""
    raise pytest.UsageError(told)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Any:
    """Put a test's verdicts on its report, and tell what could not be measured from what failed."""
    report = yield
    annotate_report(report, item, call)
    return report


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, Any] | None:
    """Show an undecided gate as what it is where it does not fail its test."""
    undecided = any(v.outcome == "inconclusive" for v in carried_verdicts(report))
    if report.when == "call" and report.passed and undecided:
        return "inconclusive", "i", ("INCONCLUSIVE", {"yellow": True})
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the run; a worker hands what it found out to the controller."""
    state = session.config.stash[STATE]
    if state.is_worker:
        session.config.workeroutput["assay_usage_error"] = state.usage_error  # type: ignore[attr-defined]
        session.config.workeroutput["assay_facts"] = json.dumps(state.facts(), default=vars)  # type: ignore[attr-defined]
    elif state.usage_error:
        session.exitstatus = pytest.ExitCode.USAGE_ERROR
    else:
        finish_run(state, session)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the verdicts and where the report is."""
    write_summary(terminalreporter, config.stash[STATE])
