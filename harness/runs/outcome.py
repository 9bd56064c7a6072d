"""From the verdicts of a run to the one word for all of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from harness.runs.schema import Outcome, RunStatus, Verdict

RunOutcome = Literal["pass", "fail", "inconclusive", "error", "incomplete"]

SEVERITY: tuple[Outcome, ...] = ("error", "fail", "inconclusive", "pass")
"""Worst first."""


def count_outcomes(verdicts: Iterable[Verdict]) -> dict[Outcome, int]:
    """How many verdicts have each outcome; all four keys are there, worst first."""
    counts: dict[Outcome, int] = dict.fromkeys(SEVERITY, 0)
    for verdict in verdicts:
        counts[verdict.outcome] += 1
    return counts


def overall_outcome(verdicts: Iterable[Verdict], status: RunStatus) -> RunOutcome:
    """The outcome of the run: its worst verdict.

    A run that is not complete is `incomplete` whatever its verdicts say, and a run without verdicts is
    `inconclusive`: nothing was shown.
    """
    if status != "complete":
        return "incomplete"
    counts = count_outcomes(verdicts)
    return next((outcome for outcome in SEVERITY if counts[outcome]), "inconclusive")
