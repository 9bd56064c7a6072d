"""When the judgements of two runs may be held against each other."""

from __future__ import annotations

from harness.judges.judgements import judge_task
from harness.runs.comparability import differing, differing_parts
from harness.runs.run import Run

_PREFIX = judge_task("")


def judging_differences(first: Run, second: Run, task: str) -> dict[str, tuple[str, str]]:
    """What keeps judgements of a task's answers apart: part -> its value in each run; empty where nothing does.

    The questions, how they were asked and the base must be the same, and who judged, by which mode and reading.
    """
    parts = differing_parts(first.manifest.comparability, second.manifest.comparability, task)
    mine, other = (
        {
            "judge": run.manifest.judge.digest,
            "judge mode": run.manifest.judge.mode,
            "judge reads": run.manifest.judge.reads,
            "base": run.manifest.model.digest,
        }
        for run in (first, second)
    )
    return parts | differing(mine, other)


def verdict_differences(first: Run, second: Run, task: str) -> dict[str, tuple[str, str]]:
    """What keeps two verdicts on a task apart, which may be one of a judge on its answers (`judge:TASK`)."""
    keys = [run.manifest.comparability for run in (first, second)]
    if not task.startswith(_PREFIX):
        return differing_parts(keys[0], keys[1], task)
    asked = task.removeprefix(_PREFIX)
    if all(key and asked not in key.tasks for key in keys):
        return {}  # an unfit judge was asked nothing: its verdicts say that in both
    mine, other = ({"opponent": run.manifest.judge.against} for run in (first, second))
    return judging_differences(first, second, asked) | differing(mine, other)
