"""The verdict on the release, in words a manager can act on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.records import Outcome, Verdict, count_outcomes
from harness.report.facts import describe_not_measured
from harness.report.text import one_line, plural, printable
from harness.runs.run import Run

Tone = Literal["pass", "fail", "undecided"]

SYMBOLS: dict[Outcome, str] = {"pass": "\u2713", "fail": "\u2717", "inconclusive": "?", "error": "!"}
WORDS: dict[Outcome, str] = {"pass": "passed", "fail": "failed", "inconclusive": "inconclusive", "error": "in error"}

_VERBS: dict[Outcome, str] = {"fail": "failed", "error": "could not be measured", "inconclusive": "left undecided"}
_MAX_GROUNDS = 3


@dataclass(frozen=True)
class Ground:
    """A gate that stands in the way of a release, and why."""

    outcome: Outcome
    gate: str
    reason: str


@dataclass(frozen=True)
class Headline:
    """What the report says first.

    Attributes:
        title: the answer to "may this adapter be released?".
        why: one sentence.
        interrupted: the run is not whole; shown before everything else.
        grounds: the worst gates that did not pass, at most three.
    """

    tone: Tone
    title: str
    why: str
    interrupted: bool = False
    grounds: tuple[Ground, ...] = ()


def headline(run: Run) -> Headline:
    """The headline of a run."""
    counts = count_outcomes(run.verdicts)
    total = plural(len(run.verdicts), "gate")
    open_gates = sorted((v for v in run.verdicts if v.outcome != "pass"), key=by_severity)
    grounds = tuple(Ground(v.outcome, printable(v.gate), one_line(v.reason, 300)) for v in open_gates[:_MAX_GROUNDS])
    if run.outcome == "incomplete":
        why = f"The run stopped before its end; {total} had been decided."
        return Headline("undecided", "Undecided", why, True, grounds)
    if not run.verdicts:
        return Headline("undecided", "Undecided", "No gate was decided in this run.")
    if not open_gates:
        why = "The one gate passed." if len(run.verdicts) == 1 else f"All {total} passed."
        return Headline("pass", "May be released", why)
    worst = open_gates[0].outcome
    why = f"{counts[worst]} of {total} {_VERBS[worst]}."
    if missed := describe_not_measured(run.manifest.skipped):
        why += f" Not measured: {missed}."
    if worst == "fail":
        return Headline("fail", "Must not be released", why, grounds=grounds)
    return Headline("undecided", "Undecided", why, grounds=grounds)


def by_severity(verdict: Verdict) -> int:
    """Sort key of a verdict: failures first, since they decide the release, then errors."""
    return ("fail", "error", "inconclusive", "pass").index(verdict.outcome)
