"""Verdicts on test reports: how they get there, travel from xdist workers, and are collected."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.errors import AssayError
from harness.plugin.gating import GATE
from harness.plugin.state import State
from harness.runs.schema import Outcome, Verdict

# The attribute of a test report that carries its verdicts, as JSON: reports are serialised between processes.
_CARRIED = "assay_verdicts"


def measures(item: pytest.Item) -> bool:
    """Whether the test takes any of this plugin's measuring fixtures."""
    return bool({"assay", "gate"} & set(getattr(item, "fixturenames", ())))


def carried_verdicts(report: pytest.TestReport) -> list[Verdict]:
    """The verdicts a test report brought along."""
    return [Verdict.from_json(row) for row in json.loads(getattr(report, _CARRIED, "[]"))]


def annotate_report(report: pytest.TestReport, item: pytest.Item, call: pytest.CallInfo[Any]) -> None:
    """Carry the verdicts of a test, and make one for a test that went wrong without any.

    An `AssayError` is shown as its message; outside a gate's decision it means that the gate could not
    be measured, which pytest is to count as an error, as it counts whatever goes wrong before a call.
    """
    if not measures(item):
        return
    error = call.excinfo.value if call.excinfo is not None else None
    if isinstance(error, AssayError):
        report.longrepr = str(error)
        if report.when == "call":
            report.when = "setup"
    gate = item.stash.get(GATE, None)
    verdicts = list(gate.verdicts) if gate is not None and call.when == "call" else []
    if report.failed and all(v.outcome == "pass" for v in verdicts):
        verdicts.append(_verdict_without_gate(item, error))
    if verdicts:
        setattr(report, _CARRIED, json.dumps([v.to_json() for v in verdicts]))
        report.user_properties.extend((f"assay:{v.gate}", v.outcome) for v in verdicts)


def _verdict_without_gate(item: pytest.Item, error: BaseException | None) -> Verdict:
    failed = isinstance(error, AssertionError | pytest.fail.Exception)
    outcome: Outcome = "fail" if failed else "error"
    if isinstance(error, AssayError):
        reason = error.problem
    else:
        text = str(error).strip()
        reason = f"{type(error).__name__}: {text.splitlines()[0] if text else 'no message'}"
    suite = item.path.stem.removeprefix("test_")
    return Verdict(
        gate=f"{suite}/{item.name}",
        outcome=outcome,
        reason=reason,
        suite=suite,
        test=item.nodeid,
        rule="assertion" if failed else "could not be measured",
        remedy=error.remedy if isinstance(error, AssayError) else "",
    )


class VerdictCollector:
    """Collects verdicts and facts in the process that reports to the user."""

    def __init__(self, state: State) -> None:
        self._state = state

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the verdicts off a report. xdist reports a crashed worker's test without any."""
        self._state.verdicts += carried_verdicts(report)
        if report.failed and report.when not in ("setup", "call", "teardown"):
            reason = f"the process that ran {report.nodeid} died"
            self._state.verdicts.append(Verdict(report.nodeid, "error", reason, test=report.nodeid))
        if report.skipped and not hasattr(report, "wasxfail"):
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self._state.skipped.append((report.nodeid, reason))

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Give a starting xdist worker the id of the run it is part of."""
        node.workerinput["assay_run_id"] = self._state.run_id

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take what a finished xdist worker found out."""
        facts = json.loads(getattr(node, "workeroutput", {}).get("assay_facts", "null"))
        if facts is not None:
            self._state.worker_facts.append(facts)
