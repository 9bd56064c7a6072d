"""The pytest plugin, registered by entry point. Loading it imports no torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from harness.errors import AssayError, ConfigError
from harness.plugin.data_fixtures import data_rules, held_out_items, items_in_use, row_lengths, training_data
from harness.plugin.finish import finish_run
from harness.plugin.fixtures import (
    adapter,
    adapter_directory,
    assay,
    base,
    candidate,
    compare,
    continuations,
    evaluate,
    forgetting,
    further_task,
    gate,
    judge,
    judge_health,
    loaded_model,
    margins,
    margins_of,
    safety,
    task_gate,
    task_name,
)
from harness.plugin.options import add_options
from harness.plugin.precedence import SUITES, mark_by_name, note_failures, place, skip_if_broken
from harness.plugin.reports import VerdictCollector, annotate_report, carried_verdicts, measures, owns
from harness.plugin.state import STATE, State
from harness.plugin.terminal import write_summary
from harness.plugin.training_fixtures import (
    ROW_ANSWERS,
    answers,
    canaries,
    overfitting_rules,
    overfitting_rules_of,
    recall,
    row_answers,
    training_history,
    training_losses,
    training_points,
    training_rules,
)

__all__ = [
    "adapter",
    "adapter_directory",
    "answers",
    "assay",
    "base",
    "canaries",
    "candidate",
    "compare",
    "continuations",
    "data_rules",
    "evaluate",
    "forgetting",
    "further_task",
    "gate",
    "held_out_items",
    "items_in_use",
    "judge",
    "judge_health",
    "loaded_model",
    "margins",
    "margins_of",
    "overfitting_rules",
    "overfitting_rules_of",
    "recall",
    "row_answers",
    "row_lengths",
    "safety",
    "task_gate",
    "task_name",
    "training_data",
    "training_history",
    "training_losses",
    "training_points",
    "training_rules",
]

_NO_FURTHER_TASK = pytest.param("", marks=pytest.mark.skip(reason="--tasks names no further task"), id="none")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register options and ini twins."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Name the suites' markers and start this session's state; the process that reports also collects verdicts."""
    for name, asks in SUITES.items():
        config.addinivalue_line("markers", f"{name}: {asks}")
    state = config.stash[STATE] = State(config)
    if not state.is_worker:
        config.pluginmanager.register(VerdictCollector(state), "assay-verdicts")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each gate, task or further task it takes: of assay.yaml, `further_task` of `--tasks`."""
    from harness.gates.config import gates_from_config
    from harness.tasks.kinds import generates

    parametrized = ("task_gate", "task_name", "further_task", "answers")
    wanted = {name for name in parametrized if owns(metafunc._arg2fixturedefs.get(name))}
    if not wanted:
        return
    state = metafunc.config.stash[STATE]
    try:
        tasks = state.settings.config.tasks
        gates = [gate for name, spec in tasks.items() for gate in gates_from_config(name, spec.get("gates"))]
        further = list(state.settings.tasks)
        names = [name for name, spec in tasks.items() if generates(spec)]
    except ConfigError as exc:
        state.usage_error = str(exc)  # told once, at the end of the collection
        names, gates, further = [], [], []
    if "task_gate" in wanted:
        metafunc.parametrize("task_gate", gates, indirect=True, ids=[gate.id for gate in gates])
    if "task_name" in wanted:
        metafunc.parametrize("task_name", names, indirect=True, ids=names)
    if "answers" in wanted:
        metafunc.parametrize("answers", [ROW_ANSWERS, *names], indirect=True, ids=[ROW_ANSWERS, *names])
    if "further_task" in wanted:
        params = [pytest.param(name, id=name) for name in further]
        metafunc.parametrize("further_task", params or [_NO_FURTHER_TASK], indirect=True)


@pytest.hookimpl(tryfirst=True)  # before -m selects by the markers
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Data before training, integrity before what costs more; and tell a wrong option once, instead of once a test."""
    mark_by_name([item for item in items if measures(item)])
    items.sort(key=lambda item: place(item) if measures(item) else 0)
    state = config.stash[STATE]
    if not state.usage_error and any(measures(item) for item in items):
        try:
            _ = state.settings, state.baseline
        except AssayError as exc:
            state.usage_error = str(exc)
    if not state.usage_error:
        return
    if state.is_worker:
        items.clear()  # the controller tells it, once for all workers
        return
    told, state.usage_error = state.usage_error, ""
    raise pytest.UsageError(told)


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
    """Write the run; a worker hands what it found out to the controller."""
    state = session.config.stash[STATE]
    if state.is_worker:
        session.config.workeroutput["assay_usage_error"] = state.usage_error  # type: ignore[attr-defined]
        session.config.workeroutput["assay_deselected"] = state.deselected  # type: ignore[attr-defined]
        facts = state.facts()
        told = None if facts is None else json.dumps(facts.to_json())
        session.config.workeroutput["assay_facts"] = told  # type: ignore[attr-defined]
        return
    state.forget_failed_integrity()
    if state.usage_error:
        session.exitstatus = pytest.ExitCode.USAGE_ERROR
    else:
        finish_run(state, session)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the verdicts and where the report is."""
    write_summary(terminalreporter, config.stash[STATE])
