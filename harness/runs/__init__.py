"""Runs: written by any number of processes, stored in one directory each, read back without a model."""

from harness.records import RunOutcome, count_outcomes, overall_outcome
from harness.runs.run import Run, list_runs, load_run, new_run_id
from harness.runs.writer import RunWriter

__all__ = [
    "Run",
    "RunOutcome",
    "RunWriter",
    "count_outcomes",
    "list_runs",
    "load_run",
    "new_run_id",
    "overall_outcome",
]
