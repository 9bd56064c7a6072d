"""Suites that `assay init` copied before packages moved still import and collect, and say where their names are now."""

from __future__ import annotations

import pytest

COPIED = """
from harness import data, integrity, overfitting
from harness import safety as checks
from harness.training import health


def test_copied_names_are_there():
    assert all((data.rows_fit, integrity.Observed, overfitting.distinct_2, checks.Guard, health.loss_falls))
    assert overfitting.recited is overfitting.verbatim_recall
    assert integrity.answers_still_end is overfitting.answers_still_end


def test_a_gate(margins, gate):
    pass
"""
MOVED = {
    "harness.data": "harness.checks.data",
    "harness.integrity": "harness.checks.integrity",
    "harness.overfitting": "harness.checks.overfitting",
    "harness.checks.integrity.answers_still_end": "harness.checks.overfitting.answers_still_end",
    "harness.checks.overfitting.recited": "harness.checks.overfitting.verbatim_recall",
    "harness.safety.Guard": "harness.checks.safety.Guard",
    "harness.training.health": "harness.checks.training.health",
}


def test_copies_of_earlier_suites_still_import_and_collect(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(COPIED)
    result = pytester.runpytest_subprocess("-p", "no:hypothesispytest", "-k", "copied_names")
    result.assert_outcomes(passed=1, deselected=1)
    for before, now in MOVED.items():
        result.stdout.fnmatch_lines_random(f"*FutureWarning: {before} is {now} now: import it from there")
