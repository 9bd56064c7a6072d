"""One sentence on runs held against each other, made of what their gates found."""

from __future__ import annotations

from collections.abc import Sequence

from harness.compare.runs import RunsCompared
from harness.report.comparison.strip import ConcernRow, Tone
from harness.report.concerns import TASK
from harness.report.findings import short_name
from harness.report.text import one_line

_STARTS: Sequence[tuple[Tone, str]] = (
    ("worse", "Worse"),
    ("better", "Better"),
    ("same", "No regression"),
    ("unknown", "Not compared"),
)


def sentence(compared: RunsCompared, strip: Sequence[ConcernRow]) -> str:
    """`Task: accuracy 91 to 60%, 38 lost, 1 gained. Worse: task, forgetting. Better: safety.`"""
    told = [_task(one) for one in strip if one.name == TASK]
    gated = [one for one in strip if any(cell.outcome for cell in one.cells)]
    for tone, start in _STARTS:
        named = [one.title.lower() for one in gated if one.tone == tone]
        if named:
            told.append(f"{start}: {', '.join(named)}")
    if len(compared.runs) > 2 and told:
        told.insert(0, f"The last of {len(compared.runs)} runs against the first")
    return " ".join(f"{one}." for one in told if one)


def _task(row: ConcernRow) -> str:
    levels = [row.cells[0].level, row.cells[-1].level]
    if row.leading is None or not all(levels):
        return ""
    name = short_name(row.leading.verdict.metric or row.about)
    start = levels[0].removesuffix("%") if levels[1].endswith("%") else levels[0]
    moved = f"still {levels[1]}" if levels[0] == levels[1] else f"{start} to {levels[1]}"
    return one_line(", ".join(filter(None, (f"Task: {name} {moved}", row.flips))), 160)
