"""When the judgements of two runs may be held against each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.judges.judgements import judge_task
from harness.runs.comparability import differing_parts
from harness.runs.run import Run

_PREFIX = judge_task("")
_OF_THE_JUDGE = ("digest", "mode", "reads")


def judging_differences(first: Run, second: Run, task: str) -> dict[str, tuple[str, str]]:
    """What keeps judgements of a task's answers apart: part -> its value in each run; empty where nothing does.

    The questions, how they were asked and the base must be the same, and who judged, by which mode and reading.
    """
    parts = differing_parts(first.comparability, second.comparability, task)
    mine, other = _facts(first, "judge"), _facts(second, "judge")
    names = {key: "judge" if key == "digest" else f"judge {key}" for key in _OF_THE_JUDGE}
    parts |= {
        names[key]: (str(mine.get(key)), str(other.get(key)))
        for key in _OF_THE_JUDGE
        if mine.get(key) != other.get(key)
    }
    base = tuple(str(_facts(run, "model").get("digest")) for run in (first, second))
    return parts if base[0] == base[1] else {**parts, "base": (base[0], base[1])}


def verdict_differences(first: Run, second: Run, task: str) -> dict[str, tuple[str, str]]:
    """What keeps two verdicts on a task apart, which may be one of a judge on its answers (`judge:TASK`)."""
    if not task.startswith(_PREFIX):
        return differing_parts(first.comparability, second.comparability, task)
    asked = task.removeprefix(_PREFIX)
    keys = [run.comparability for run in (first, second)]
    if all(key is not None and asked not in key["tasks"] for key in keys):
        return {}  # an unfit judge was asked nothing: its verdicts say that in both
    parts = judging_differences(first, second, asked)
    against = tuple(str(_facts(run, "judge").get("against")) for run in (first, second))
    return parts if against[0] == against[1] else {**parts, "opponent": (against[0], against[1])}


def _facts(run: Run, key: str) -> Mapping[str, Any]:
    value = run.manifest.get(key)
    return value if isinstance(value, Mapping) else {}
