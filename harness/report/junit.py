"""JUnit XML, for CI systems that show test results."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from xml.etree import ElementTree as ET

from harness.records import Verdict
from harness.report.standing import standing
from harness.report.text import one_line, printable, shorten
from harness.runs.run import Run


def render_junit(run: Run) -> str:
    """One `testsuite` a suite, one `testcase` a gate.

    A failed gate is a failure, an unmeasurable one an error, and either is skipped where it is waived or advisory. An
    inconclusive one is a failure where the run treats it
    as such (option `inconclusive`, by default under the profile `release`), else skipped. An interrupted run has an
    error of its own, so that no CI takes half a run for a green one.
    """
    strict = _inconclusive_fails(run)
    root = ET.Element("testsuites", name="adapter-assay")
    for suite, group in groupby(sorted(run.verdicts, key=lambda v: (v.suite, v.gate)), lambda v: v.suite):
        _suite(root, printable(suite) or "gates", list(group), strict)
    if run.status != "complete":
        suite_element = ET.SubElement(root, "testsuite", name="run", tests="1", failures="0", errors="1", skipped="0")
        case = ET.SubElement(suite_element, "testcase", classname="run", name="run is complete", time="0")
        ET.SubElement(case, "error", message="the run was interrupted before its end")
    for total in ("tests", "failures", "errors", "skipped"):
        root.set(total, str(sum(int(element.get(total, "0")) for element in root)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(root: ET.Element, name: str, verdicts: list[Verdict], strict: bool) -> None:
    element = ET.SubElement(root, "testsuite", name=name)
    kinds = [_case(element, verdict, strict) for verdict in verdicts]
    element.set("tests", str(len(kinds)))
    for total, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(total, str(kinds.count(kind)))
    element.set("time", f"{sum(v.duration_s for v in verdicts):.3f}")


def _case(suite: ET.Element, verdict: Verdict, strict: bool) -> str:
    classname = printable(verdict.test.split("::")[0] or verdict.suite) or "gates"
    case = ET.SubElement(
        suite, "testcase", classname=classname, name=printable(verdict.gate), time=f"{verdict.duration_s:.3f}"
    )
    kinds = {"pass": "passed", "fail": "failure", "error": "error", "inconclusive": "failure" if strict else "skipped"}
    kind = kinds[verdict.outcome] if verdict.counts or verdict.outcome == "pass" else "skipped"
    if kind == "passed":
        return kind
    stands = standing(verdict)
    message = one_line(f"{verdict.outcome}: {verdict.reason}{f' ({stands})' if stands else ''}", 1000)
    result = ET.SubElement(case, kind, message=message)
    result.text = "\n".join(_body(verdict))
    return kind


def _body(verdict: Verdict) -> Iterable[str]:
    facts = (
        ("rule", verdict.rule),
        ("reason", verdict.reason),
        ("remedy", verdict.remedy),
        ("severity", verdict.severity),
        ("standing", standing(verdict)),
        ("test", verdict.test),
    )
    return (f"{name}: {shorten(printable(text), 4000)}" for name, text in facts if text)


def _inconclusive_fails(run: Run) -> bool:
    chosen = run.manifest.options.inconclusive
    return chosen == "fail" if chosen else run.manifest.profile == "release"
