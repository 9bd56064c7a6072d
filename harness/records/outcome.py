"""The outcome of a run, of those of its verdicts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from harness.records.verdict import Outcome, Verdict

RunStatus = Literal["running", "complete", "interrupted"]
RunOutcome = Literal["pass", "fail", "inconclusive", "error", "incomplete"]

WORST_FIRST: tuple[Outcome, ...] = ("error", "fail", "inconclusive", "pass")


def count_outcomes(verdicts: Iterable[Verdict]) -> dict[Outcome, int]:
    """How many verdicts have each outcome; all four keys are there, worst first."""
    counts: dict[Outcome, int] = dict.fromkeys(WORST_FIRST, 0)
    for verdict in verdicts:
        counts[verdict.outcome] += 1
    return counts


def overall_outcome(verdicts: Iterable[Verdict], status: RunStatus) -> RunOutcome:
    """The outcome of the run: the worst verdict of those that bear on the release.

    A run that is not complete is `incomplete` whatever its verdicts say, and a run without verdicts, or with none but
    advisory ones, is `inconclusive`: nothing was shown.
    """
    if status != "complete":
        return "incomplete"
    found = {verdict.bearing for verdict in verdicts if verdict.severity != "advisory"}
    return next((outcome for outcome in WORST_FIRST if outcome in found), "inconclusive")
