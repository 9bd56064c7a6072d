"""The concerns of a release through several runs, a line each: outcomes, the number that stands for all, its change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.compare.history import own_value
from harness.compare.runs import Line, RunsCompared
from harness.records import Outcome, Verdict
from harness.report.comparison.movement import change_of, is_better
from harness.report.concerns import Concern, concern_of, concerns
from harness.report.details import label
from harness.report.findings import metric_words, subject, value
from harness.report.text import printable
from harness.runs.baselines import own

Tone = Literal["worse", "better", "same", "unknown"]


@dataclass(frozen=True)
class RunCell:
    """A concern in a run; `outcome` is None where nothing was gated, `level` empty where no number stands for it."""

    outcome: Outcome | None
    level: str


@dataclass(frozen=True)
class ConcernRow:
    """One concern through the runs; `change`, `flips` and `tone` are of the last one against the first.

    Attributes:
        leading: the gate whose number stands for all; None where the runs share none with a number.
        about: what that number is.
        tone: `worse` where a gate regressed, `better` where one improved and none did, `unknown` where nothing compares.
    """

    name: str
    title: str
    question: str
    cells: tuple[RunCell, ...]
    leading: Line | None
    about: str
    change: str
    flips: str
    tone: Tone


def concern_rows(compared: RunsCompared) -> tuple[ConcernRow, ...]:
    """A row for each of the concerns, in the order of a report."""
    by_run = [concerns(own(found.run.verdicts)) for found in compared.runs]
    lines: dict[str, list[Line]] = {}
    for line in compared.shared:
        lines.setdefault(concern_of(line.verdict), []).append(line)
    return tuple(_row(compared, through, lines.get(through[0].name, [])) for through in zip(*by_run, strict=True))


def _row(compared: RunsCompared, through: Sequence[Concern], lines: Sequence[Line]) -> ConcernRow:
    leading = _leading(through[0], lines)
    verdict = None if leading is None else leading.verdict
    last = None if leading is None else leading.cells[-1].change
    return ConcernRow(
        through[0].name,
        through[0].title,
        through[0].question,
        tuple(
            RunCell(one.outcome, "" if leading is None else _level(leading.cells[i].verdict))
            for i, one in enumerate(through)
        ),
        leading,
        "" if verdict is None else _about(verdict),
        "" if last is None or verdict is None else change_of(last, verdict.metric),
        "" if verdict is None else _flips(compared, verdict),
        _tone(compared, lines),
    )


def _leading(first: Concern, lines: Sequence[Line]) -> Line | None:
    """What got worse before all else, then what a report of the first run puts in front, then what can be compared."""
    preferred = first.leading.gate if first.leading is not None else ""

    def says_least(line: Line) -> tuple[bool, bool, bool, bool]:
        last = line.cells[-1]
        return not last.regression, last.change is None, line.gate != preferred, bool(line.verdict.slice)

    numbered = [line for line in lines if own_value(line.verdict) is not None]
    return min(numbered, key=says_least, default=None)


def _level(verdict: Verdict | None) -> str:
    number = own_value(verdict)
    return "" if number is None or verdict is None else value(number, verdict.metric)


def _about(verdict: Verdict) -> str:
    if not verdict.metric or not verdict.task:
        return subject(verdict)
    where = ", ".join([label(verdict.task), *(f"{tag} {named}" for tag, named in verdict.slice.items())])
    return printable(f"{metric_words(verdict.metric)}, {where}")


def _flips(compared: RunsCompared, verdict: Verdict) -> str:
    """`38 lost, 1 gained`, of a yes-or-no metric over all items of its task."""
    if verdict.slice:
        return ""
    found = next((f for f in compared.flips if (f.task, f.metric) == (verdict.task, verdict.metric)), None)
    return "" if found is None else f"{found.lost_count:,} lost, {found.gained_count:,} gained"


def _tone(compared: RunsCompared, lines: Sequence[Line]) -> Tone:
    last = len(compared.runs) - 1
    refused = {one.task for one in compared.refusals if one.run == last}
    held = [
        one for one in lines if one.cells[0].verdict and one.cells[last].verdict and one.verdict.task not in refused
    ]
    if not held:
        return "unknown"
    if any(one.cells[last].regression for one in held):
        return "worse"
    improved = (is_better(one.cells[last].change, higher_is_better=one.verdict.higher_is_better) for one in held)
    return "better" if any(improved) else "same"
