"""The verdict on the release, in words a manager can act on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.records import Outcome
from harness.report.concerns import concerns
from harness.report.facts import describe_not_measured
from harness.report.sentence import sentence
from harness.report.standing import title_of_waived
from harness.report.text import plural
from harness.runs.run import Run

Tone = Literal["pass", "fail", "undecided"]

SYMBOLS: dict[Outcome, str] = {"pass": "\u2713", "fail": "\u2717", "inconclusive": "?", "error": "!"}

_REFUSED = "Must not be released"


@dataclass(frozen=True)
class Headline:
    """What the report says first.

    Attributes:
        title: the answer to "may this adapter be released?".
        why: one sentence of what was found.
        interrupted: the run is not whole; shown before everything else.
    """

    tone: Tone
    title: str
    why: str
    interrupted: bool = False


def headline(run: Run) -> Headline:
    """The headline of a run."""
    if run.outcome == "incomplete":
        stopped = f"The run stopped before its end; {plural(len(run.verdicts), 'gate')} had been decided."
        if any(verdict.bearing == "fail" for verdict in run.verdicts):  # whatever the rest would have been
            return Headline("fail", _REFUSED, f"{sentence(concerns(run.verdicts))} {stopped}", True)
        return Headline("undecided", "Undecided", stopped, True)
    if not run.verdicts:
        return Headline("undecided", "Undecided", "No gate was decided in this run.")
    why = sentence(concerns(run.verdicts))
    if missed := describe_not_measured(run.manifest.skipped):
        why += f" Not measured: {missed}."
    if run.outcome == "pass":
        return Headline("pass", f"May be released{title_of_waived(run.verdicts)}", why)
    if all(verdict.severity == "advisory" for verdict in run.verdicts):
        why += " Every gate is advisory, and none of them decides a release."
    if any(verdict.bearing == "fail" for verdict in run.verdicts):
        return Headline("fail", _REFUSED, why)
    return Headline("undecided", "Undecided", why)
