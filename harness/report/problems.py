"""What stands in the way of a release, a line each, and what was not measured, a line each cause."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.errors import some_of
from harness.records import Outcome, Verdict
from harness.report.concerns import Concern, concern_of
from harness.report.findings import finding, subject
from harness.report.sentence import cause
from harness.report.standing import lapsed, standing
from harness.report.text import one_line, plural, printable
from harness.runs.run import Run

_LONGEST = 220
_NAMED = 3


@dataclass(frozen=True)
class Problem:
    """Gates that failed and have one remedy.

    Attributes:
        concern: what they are about.
        lines: (what it is about, what was found, anchor of the gate) of each.
    """

    concern: str
    lines: tuple[tuple[str, str, str], ...]
    remedy: str


@dataclass(frozen=True)
class SetAside:
    """A gate that did not pass and does not block: waived, or advisory."""

    concern: str
    outcome: Outcome
    about: str
    told: str
    anchor: str
    standing: str


@dataclass(frozen=True)
class Unmeasured:
    """What could not be told, for one cause."""

    outcome: Outcome | None
    what: str
    why: str


def problems(found: Sequence[Concern], anchors: dict[str, str]) -> list[Problem]:
    """Every gate whose failure counts, those of one remedy together.

    Args:
        anchors: gate -> its place in the page.
    """
    groups: dict[str, list[tuple[str, Verdict]]] = {}
    for one in found:
        for verdict in one.bearing("fail"):
            key = verdict.remedy or verdict.gate
            groups.setdefault(key, []).append((one.title, verdict))
    return [
        Problem(
            ", ".join(dict.fromkeys(title for title, _ in group)),
            tuple((subject(v), _told(v), anchors[v.gate]) for _, v in group),
            one_line(group[0][1].remedy, _LONGEST),
        )
        for group in groups.values()
    ]


def _told(verdict: Verdict) -> str:
    lapse = lapsed(verdict)
    return f"{finding(verdict)}; {one_line(lapse, _LONGEST)}" if lapse else finding(verdict)


def set_aside(found: Sequence[Concern], anchors: dict[str, str]) -> list[SetAside]:
    """Every gate that did not pass and does not count, the waived ones first."""
    aside = [(one.title, v) for one in found for v in one.verdicts if v.outcome != "pass" and not v.counts]
    return [
        SetAside(title, v.outcome, subject(v), finding(v), anchors[v.gate], one_line(standing(v), _LONGEST))
        for title, v in sorted(aside, key=lambda one: not one[1].waived)
    ]


def unmeasured(run: Run) -> list[Unmeasured]:
    """Errors, undecided gates and tests left out, a line for each cause; what a failure spared stands in the headline."""
    return [
        *_folded("error", run.verdicts, lambda v: v.reason, "could not be measured"),
        *_folded("inconclusive", run.verdicts, cause, "undecided"),
        *_skipped(run),
    ]


def _folded(
    outcome: Outcome, verdicts: Iterable[Verdict], why: Callable[[Verdict], str], what: str
) -> Iterator[Unmeasured]:
    by_cause: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.bearing == outcome:
            by_cause.setdefault(one_line(why(verdict), _LONGEST), []).append(verdict)
    for reason, group in by_cause.items():
        names = some_of([subject(v) for v in group], _NAMED)
        where = ", ".join(dict.fromkeys(concern_of(v) for v in group))
        yield Unmeasured(outcome, f"{plural(len(group), 'gate')} {what} ({where})", f"{reason}; {names}")


def _skipped(run: Run) -> Iterator[Unmeasured]:
    by_reason: dict[str, list[str]] = {}
    for test in (one for one in run.manifest.skipped if not one.spared_by):
        by_reason.setdefault(test.reason, []).append(test.test)
    for told, tests in by_reason.items():
        reason = told.removeprefix("Skipped: ")  # which pytest puts before it
        name = printable(tests[0].rpartition("::")[2].removeprefix("test_").replace("_", " "))
        what = name if len(tests) == 1 else plural(len(tests), "test")
        yield Unmeasured(None, one_line(what, 80), one_line(reason, _LONGEST))
    if run.manifest.deselected:
        yield Unmeasured(None, plural(run.manifest.deselected, "test"), "not selected for this run")
