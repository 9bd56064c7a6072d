"""The pytest plugin, registered by entry point: every pytest session of a machine where the package is installed loads it.

So it keeps out of the way of sessions that gate nothing: it imports little, takes no name that a project wants for an option
or a fixture of its own, and writes nothing.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import AssayError, Complaints, ConfigError, joined
from harness.plugin import (
    config_fixtures,
    fixtures,
    further_fixtures,
    overfitting_fixtures,
    shipped_fixtures,
    training_fixtures,
)
from harness.plugin.gating import suite_of, suites_of
from harness.plugin.guests import check_other_plugins, clashes
from harness.plugin.options import add_options, add_short_names, find_conftests
from harness.plugin.precedence import SUITES, mark_by_name, note_failures, rank, skip_if_broken
from harness.plugin.reports import ATTEMPT, VerdictCollector, annotate_report, carried_verdicts, measures, owns
from harness.plugin.signals import ended_in_order
from harness.plugin.state import STATE, State
from harness.plugin.terminal import write_summary

if TYPE_CHECKING:
    from harness.config.settings import Settings

FIXTURE_MODULES = (
    fixtures,
    shipped_fixtures,
    config_fixtures,
    training_fixtures,
    overfitting_fixtures,
    further_fixtures,
)
PARAMETRIZED = ("task_gate", "task_name", "further_task", "answers", "parent", "training_history")
"""Fixtures for each of whose values a test that takes them is run once."""
_OF_STAGES = "training_history"
"""One that is run once without a value where nothing was trained in stages."""

_LIBRARIES = "(torch|transformers|peft|trl|accelerate|bitsandbytes|datasets|lm_eval|huggingface_hub)"
LIBRARIES_TO_THEMSELVES = tuple(
    f"ignore::{category}:{_LIBRARIES}"
    for category in ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning")
)
"""What libraries say to each other's authors; a user of gates cannot act on it."""

_NO_FURTHER_TASK = pytest.param("", marks=pytest.mark.skip(reason="--tasks names no further task"), id="none")


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Register options and ini twins, and fixtures: of one name, those of the plugin that comes later are in force."""
    add_options(parser)
    for module in FIXTURE_MODULES:
        pluginmanager.register(module)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: Sequence[str]
) -> Iterator[Any]:
    """Give options their short names, once whoever else may want them has been loaded."""
    find_conftests(early_config, parser, args)
    found = yield
    add_short_names(parser, early_config)
    return found


def pytest_configure(config: pytest.Config) -> None:
    """Register markers, and start this session's state; the process that reports also collects verdicts."""
    for name, question in SUITES.items():
        config.addinivalue_line("markers", f"{name}: {question}")
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
        values = _values(state.settings, state.complaints)
    except AssayError as exc:
        state.usage_error = str(exc)  # raised once, at the end of the collection
    for name in wanted:
        if name != _OF_STAGES or values.get(name):
            metafunc.parametrize(name, values.get(name, ()), indirect=True)


def _values(settings: Settings, complaints: Complaints) -> dict[str, Sequence[Any]]:
    """Fixture -> what it is in one run of a test after another."""
    from harness.gates.config import gates_from_config
    from harness.session.parents import as_it_lies, parents_of
    from harness.session.training import find_stages
    from harness.tasks.kinds import generates

    tasks, parents = settings.config.tasks, []
    stages: Sequence[str] = ()
    with contextlib.suppress(AssayError):  # which is told where the candidate is looked at
        candidate = settings.candidate_spec
        parents = [parent.name for parent in parents_of(candidate and as_it_lies(candidate))]
        stages = find_stages(settings)
    gates = []
    for name, spec in tasks.items():
        with complaints.noting(settings.config.file.name):
            gates += gates_from_config(name, spec.get("gates"))
    generating = [name for name, spec in tasks.items() if generates(spec)]
    return {
        "task_gate": [pytest.param(gate, id=gate.id) for gate in gates],
        "task_name": generating,
        "further_task": settings.tasks or [_NO_FURTHER_TASK],
        "parent": parents or [pytest.param("", id="none")],
        "answers": [overfitting_fixtures.ROW_ANSWERS, *generating],
        "training_history": stages,
    }


@pytest.hookimpl(tryfirst=True)  # before -m selects by the markers
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put data before training and integrity before what costs more; raise for a wrong option once, instead of once a test."""
    state = config.stash[STATE]
    gating = [item for item in items if measures(item)]
    try:
        mark_by_name(gating)
        items.sort(key=lambda item: rank(item) if measures(item) else 0)
        if gating and not state.usage_error:
            check_other_plugins(config)
            _ = state.settings, state.baseline
            state.suites = suites_of(gating, state.settings.config)
    except (AssayError, pytest.PytestDeprecationWarning) as exc:  # a warning, where warnings are errors
        state.usage_error = str(exc)
    _stop_for_usage_error(state, items)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Check all that the tests which are left need and files can tell: one error, before any model is loaded."""
    state = session.config.stash[STATE]
    gating = [item for item in session.items if measures(item)]
    if not gating or state.stopped:
        return
    from harness.models.quiet import quiet_imports
    from harness.plugin.needs import check_needs

    quiet_imports()
    state.clashes = clashes(session.config, gating)
    check_needs(state, gating)
    if not (session.config.option.collectonly or state.complaints.noted):
        with state.complaints.noting():
            state.check_places()
    state.running = {suite_of(item) for item in gating}
    for fault in state.policy.check(state.suites):
        with state.complaints.noting(state.settings.config.file.name):
            raise fault
    if state.complaints.noted:
        state.usage_error = str(joined(state.complaints.noted, ConfigError))
    _stop_for_usage_error(state, session.items)
    if state.is_first_worker and not state.stopped:
        state.leave_forecast()
    for item in gating:
        item.add_marker(pytest.mark.filterwarnings(*LIBRARIES_TO_THEMSELVES))


def _stop_for_usage_error(state: State, items: list[pytest.Item]) -> None:
    if not state.usage_error:
        return
    state.stopped = True
    if state.is_worker:
        items.clear()  # the controller raises it, once for all workers
        return
    error, state.usage_error = state.usage_error, ""
    raise pytest.UsageError(error)


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Iterator[Any]:
    """Say what the run will do, and let what is logged meanwhile be seen."""
    state = session.config.stash[STATE]
    if state.measured is None or state.is_worker or session.config.option.collectonly:
        return (yield)
    state.notices.start()
    try:
        with ended_in_order():
            state.say(state.forecast())
            return (yield)
    finally:
        state.notices.stop()


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Count the tests that gate and were left out: such a run is a part of the evidence."""
    for item in items:
        item.config.stash[STATE].deselected += measures(item)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Spare what costs more where the adapter is broken, or the test names what is not there."""
    if measures(item):
        item.stash[ATTEMPT] = item.stash.get(ATTEMPT, 0) + 1
        state = item.config.stash[STATE]
        if fault := state.faults.get(getattr(item, "function", None)):
            raise fault
        skip_if_broken(state, item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Any:
    """Put a test's verdicts on its report, and tell what could not be measured from what failed."""
    report = yield
    annotate_report(report, item, call)
    note_failures(item.config.stash[STATE], item, carried_verdicts(report))
    return report


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, Any] | None:
    """Show a gate that did not pass as what it is where it does not fail its test."""
    if report.when != "call" or not report.passed:
        return None
    verdicts = [verdict for verdict in carried_verdicts(report) if verdict.outcome != "pass"]
    for word, found in (
        ("inconclusive", any(v.counts for v in verdicts)),
        ("waived", any(v.waived for v in verdicts)),
        ("advisory", bool(verdicts)),
    ):
        if found:
            return word, word[0], (word.upper(), {"yellow": True})
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
    if state.usage_error:
        session.exitstatus = pytest.ExitCode.USAGE_ERROR
    elif state.gates_something:
        from harness.plugin.finish import finish_run

        state.forget_failed_integrity()
        finish_run(state, session)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the verdicts and where the report is."""
    state = config.stash[STATE]
    if state.gates_something or state.usage_error:
        write_summary(terminalreporter, state)
