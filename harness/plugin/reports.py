"""Verdicts on test reports: how they get there, travel from xdist workers, and are collected."""

from __future__ import annotations

import json
import traceback
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import AssayError, UnanswerableError, UndecidedError, first_line
from harness.plugin.gating import GATE, fails_test, severity_by_default, suite_of
from harness.plugin.precedence import SPARED
from harness.plugin.state import STATE, State

if TYPE_CHECKING:
    from harness.records import Outcome, Verdict

# The attribute of a test report that carries its verdicts, as JSON: reports are serialised between processes.
_CARRIED = "assay_verdicts"
_MEASURES = "assay_measures"
_SPARED = "assay_spared"
_ATTEMPT = "assay_attempt"

ATTEMPT: pytest.StashKey[int] = pytest.StashKey()
"""How often a test was begun: plugins run failed ones again."""


class NotOfThisKind(pytest.skip.Exception):  # type: ignore[name-defined,misc]
    """Skips a test that asks what candidates of this kind have not: nothing that the run should have measured is missing."""


# Pytest tells why by the exception's full name, and leaves out that of its own.
for _attribute in ("__module__", "__qualname__"):
    setattr(NotOfThisKind, _attribute, getattr(pytest.skip.Exception, _attribute))


def measures(item: pytest.Item) -> bool:
    """Whether the test takes any of this plugin's measuring fixtures (not a fixture of its own by that name)."""
    definitions = item._fixtureinfo.name2fixturedefs if isinstance(item, pytest.Function) else {}
    return any(owns(definitions.get(name)) for name in ("assay", "gate"))


def owns(definitions: Sequence[pytest.FixtureDef[Any]] | None) -> bool:
    """Whether the fixture definition in force, the last one, is this plugin's."""
    return bool(definitions and definitions[-1].func.__module__.startswith(f"{__package__}."))


def carried_verdicts(report: pytest.TestReport) -> list[Verdict]:
    """The verdicts a test report brought along."""
    carried = getattr(report, _CARRIED, None)
    if carried is None:
        return []
    from harness.records import Verdict

    return [Verdict.from_json(row) for row in json.loads(carried)]


def annotate_report(report: pytest.TestReport, item: pytest.Item, call: pytest.CallInfo[Any]) -> None:
    """Carry the verdicts that no report of the test has carried yet, and make one where it went wrong without any.

    An `AssayError` is shown as its message. Whatever is neither a failed gate nor a failed assertion means that
    something could not be measured, which pytest is to count as an error, as it counts what goes wrong before a call.
    No test waives its failed gate: not by catching the failure, nor by xfail or skip. What its policy says does.
    """
    if not measures(item):
        return
    error = call.excinfo.value if call.excinfo is not None else None
    setattr(report, _MEASURES, not isinstance(error, NotOfThisKind))
    setattr(report, _SPARED, item.stash.get(SPARED, ("", "")))
    setattr(report, _ATTEMPT, item.stash.get(ATTEMPT, 1))
    state = item.config.stash[STATE]
    settings = state.settings
    gate = item.stash.get(GATE, None)
    verdicts = gate.unreported() if gate is not None else []
    if isinstance(error, AssayError):
        report.longrepr = str(error)
    if isinstance(error, UnanswerableError) and report.failed:
        _skip(report, item, error.problem)
        setattr(report, _SPARED, ("", suite_of(item)))
    if report.failed and not (gate is not None and gate.raised is error is not None):
        verdicts.append(state.policy.applied(_verdict_without_gate(item, report, error), severity_by_default(item)))
        if not fails_test(verdicts[-1], settings):
            _let_be(report, item, verdicts[-1])
    if not report.failed and (failed := [v for v in verdicts if fails_test(v, settings)]):
        _fail_all_the_same(report, failed[0])
    if report.failed and report.when == "call" and verdicts and verdicts[-1].outcome == "error":
        report.when = "setup"
    if verdicts:
        setattr(report, _CARRIED, json.dumps([v.to_json() for v in verdicts]))
        report.user_properties.extend((f"assay:{v.gate}", v.outcome) for v in verdicts)


def _let_be(report: pytest.TestReport, item: pytest.Item, verdict: Verdict) -> None:
    """Where setting up went wrong there is nothing to call."""
    if report.when == "setup":
        _skip(report, item, verdict.reason)
    else:
        report.outcome, report.longrepr = "passed", None


def _skip(report: pytest.TestReport, item: pytest.Item, why: str) -> None:
    report.outcome, report.longrepr = "skipped", (str(item.path), (item.location[1] or 0) + 1, f"Skipped: {why}")


def _fail_all_the_same(report: pytest.TestReport, verdict: Verdict) -> None:
    xfailed = hasattr(report, "wasxfail")
    way = "xfail" if xfailed else "a skip" if report.skipped else "catching its failure"
    if xfailed:
        del report.wasxfail
    report.outcome = "failed"
    report.longrepr = (
        f"{verdict.gate}: {verdict.reason}\n  {way} does not waive a gate\n"
        "  remedy: change its margin, waive it under `waivers:` of assay.yaml, or deselect the test, which the run records"
    )


def _verdict_without_gate(item: pytest.Item, report: pytest.TestReport, error: BaseException | None) -> Verdict:
    from harness.records import Verdict

    failed = report.when == "call" and isinstance(error, AssertionError | pytest.fail.Exception | None)
    outcome: Outcome = "fail" if failed else "error"
    if report.when == "call" and isinstance(error, UndecidedError):
        outcome = "inconclusive"
    if error is not None and _timed_out(error):
        outcome = "error"
    if isinstance(error, AssayError):
        reason = error.problem
    elif error is None:
        reason = report.longreprtext  # a strict xfail that passed
    else:
        reason = f"{type(error).__name__}: {first_line(error)}"
    suite = suite_of(item)
    return Verdict(
        gate=f"{suite}/{item.name}",
        outcome=outcome,
        reason=reason,
        suite=suite,
        test=item.nodeid,
        kind="assertion",
        rule="assertion" if failed else "could not be measured",
        remedy=error.remedy if isinstance(error, AssayError) else "",
    )


def _timed_out(error: BaseException) -> bool:
    """Whether pytest-timeout stopped the test, which then says nothing of the candidate: it raises what a failed test raises."""
    return any(
        frame.f_globals.get("__name__") == "pytest_timeout" for frame, _ in traceback.walk_tb(error.__traceback__)
    )


def _why_skipped(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return f"xfailed: {report.wasxfail}"
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)


class VerdictCollector:
    """Collects verdicts and facts in the process that reports to the user."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._attempts: dict[str, int] = {}
        self._decided: dict[str, Collection[str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the verdicts off a report. xdist reports a crashed worker's test without any."""
        carried = carried_verdicts(report)
        self._take(carried, report.nodeid, getattr(report, _ATTEMPT, 1))
        if report.failed and report.when not in ("setup", "call", "teardown") and self._state.gates_something:
            from harness.records import Verdict

            reason = f"the process that ran {report.nodeid} died"
            self._state.verdicts.append(Verdict(report.nodeid, "error", reason, test=report.nodeid))
        told = any(verdict.outcome == "error" for verdict in carried)
        if report.skipped and getattr(report, _MEASURES, False) and not told:
            spared_by, suite = getattr(report, _SPARED, ("", ""))
            from harness.records import SkippedTest

            why = {name: said for name, said in (("spared_by", spared_by), ("suite", suite)) if said}
            self._state.skipped.append(SkippedTest(test=report.nodeid, reason=_why_skipped(report), **why))

    def _take(self, carried: Sequence[Verdict], test: str, attempt: int) -> None:
        """A decided gate stands, however often a plugin runs its test again; only what could not be measured is replaced."""
        if attempt > self._attempts.get(test, 1):
            self._state.verdicts = [one for one in self._state.verdicts if one.test != test or one.outcome != "error"]
            self._decided[test] = {one.gate for one in self._state.verdicts if one.test == test}
        self._attempts[test] = attempt
        stand = self._decided.get(test, ())
        self._state.verdicts.extend(one for one in carried if one.gate not in stand)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Give a starting xdist worker the id of the run it is part of, and when that began."""
        node.workerinput["assay_run_id"] = self._state.run_id
        node.workerinput["assay_started"] = self._state.started

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self) -> None:
        """Say what the run will do, once the first xdist worker knows; no worker has a terminal."""
        self._state.say(self._state.take_forecast())

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take what a finished xdist worker found out."""
        found = getattr(node, "workeroutput", {}).get("assay", {})
        self._state.usage_error = found.get("usage_error") or self._state.usage_error
        self._state.deselected = max(self._state.deselected, found.get("deselected", 0))  # each collects all
        if found.get("facts") is not None:
            from harness.records import ProcessFacts

            self._state.worker_facts.append(ProcessFacts.read(json.loads(found["facts"])))
