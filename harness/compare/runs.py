"""Runs held against the first of them, gate by gate and item by item."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from harness.compare.comparability import verdict_differences
from harness.compare.flips import Flips, find_flips
from harness.compare.leaderboard import Leaderboard, make_leaderboards
from harness.compare.paired import Scores, aligned, candidate_scores, corpus_value, paired_change
from harness.errors import RunError
from harness.records import Verdict
from harness.runs.baselines import NamedRun, own
from harness.runs.comparability import in_words
from harness.runs.gate_names import by_comparable_name
from harness.stats import Interval

_SAME = 1e-6
_BEFORE = {"pass": "passed", "inconclusive": "inconclusive"}


@dataclass(frozen=True)
class Cell:
    """A gate in a run.

    Attributes:
        verdict: None where the run does not have the gate.
        change: the candidate's metric minus that of the first run's, paired by item; None where the two do not compare
            or the gate rests on no metric of items.
        regression: why this is worse than the first run; empty where it is not, or is but waived or advisory.
        allowed: the loss from the first run that is tolerated, 0 or more; None without a change.
    """

    verdict: Verdict | None
    change: Interval | None = None
    regression: str = ""
    allowed: float | None = None


@dataclass(frozen=True)
class Line:
    """A gate through the runs, in their order."""

    gate: str
    cells: tuple[Cell, ...]

    @property
    def verdict(self) -> Verdict:
        """The gate's verdict in the first run that has it: its metric, rule and margin."""
        return next(cell.verdict for cell in self.cells if cell.verdict is not None)


@dataclass(frozen=True)
class Refusal:
    """A task on which a run cannot be compared with the first, and the parts that differ."""

    run: int
    task: str
    parts: str


@dataclass(frozen=True)
class RunsCompared:
    """Two runs or more; the first is the reference.

    Attributes:
        ratings: the candidates on one scale, for each task that a judge compared answers of.
    """

    runs: tuple[NamedRun, ...]
    lines: tuple[Line, ...]
    refusals: tuple[Refusal, ...]
    flips: tuple[Flips, ...]
    ratings: tuple[Leaderboard, ...] = ()

    @cached_property
    def regressions(self) -> list[tuple[NamedRun, Line, Cell]]:
        """Every gate that is worse in a run than in the first."""
        return [
            (self.runs[i], line, cell) for line in self.lines for i, cell in enumerate(line.cells) if cell.regression
        ]

    @cached_property
    def regressed_tasks(self) -> list[Regressions]:
        """The same by run and task: of a task that got worse many gates say so, and one is told."""
        groups: dict[tuple[int, str], list[tuple[Line, Cell]]] = {}
        for line in self.lines:
            for run, cell in enumerate(line.cells):
                if cell.regression:
                    groups.setdefault((run, line.verdict.task or line.gate), []).append((line, cell))
        return [Regressions(run, tuple(found)) for (run, _), found in sorted(groups.items(), key=lambda one: one[0][0])]

    @cached_property
    def missing(self) -> dict[int, list[Line]]:
        """Number of a run -> the gates of the first that it lacks though it was asked for the whole of the same profile."""
        asked = [i for i in range(1, len(self.runs)) if self._asked_alike(i)]
        lacking = {i: [one for one in self.lines if one.cells[0].verdict and not one.cells[i].verdict] for i in asked}
        return {i: lines for i, lines in lacking.items() if lines}

    @cached_property
    def alone(self) -> dict[int, list[Line]]:
        """Number of a run -> the gates that no other has, where that is nothing that is missing there."""
        found: dict[int, list[Line]] = {}
        missing = [line for lines in self.missing.values() for line in lines]
        for line in self.lines:
            having = [i for i, cell in enumerate(line.cells) if cell.verdict is not None]
            if len(having) == 1 and line not in missing:
                found.setdefault(having[0], []).append(line)
        return found

    @cached_property
    def shared(self) -> list[Line]:
        """The gates that at least two runs have."""
        return [line for line in self.lines if sum(cell.verdict is not None for cell in line.cells) > 1]

    def _asked_alike(self, run: int) -> bool:
        manifest, first = self.runs[run].run.manifest, self.runs[0].run.manifest
        return manifest.profile == first.profile and not manifest.selected and not manifest.deselected


@dataclass(frozen=True)
class Regressions:
    """What is worse in a run, on one task or at one gate without one; the gates in their order."""

    run: int
    found: tuple[tuple[Line, Cell], ...]


def compare_runs(
    runs: Sequence[NamedRun], *, margin: float, task_margins: Mapping[str, float] = MappingProxyType({})
) -> RunsCompared:
    """Hold runs against the first of them.

    A gate regressed in a run where it did not fail in the first and now fails or cannot be measured, or where the paired
    loss of its metric against the first run's candidate is larger than its margin, the whole interval of it. Of the two
    runs' margins the smaller counts: a run does not get better by what it allows itself.

    Args:
        runs: two or more, all complete.
        margin: the tolerable loss of a gate that asks for a gain or a level and names none.
        task_margins: task -> the same for its gates alone.

    Raises:
        RunError: fewer than two runs, or no task of any run compares with the first.
    """
    if len(runs) < 2:
        raise RunError("a comparison needs two runs", "name the reference first, then what to hold against it")
    comparison = _Comparison(runs, margin, task_margins)
    gates = dict.fromkeys(gate for verdicts in comparison.verdicts for gate in verdicts)
    lines = tuple(Line(gate, tuple(comparison.cell(gate, i) for i in range(len(runs)))) for gate in gates)
    comparison.require_some()
    return RunsCompared(tuple(runs), lines, comparison.refusals, comparison.flips(), make_leaderboards(runs))


class _Comparison:
    def __init__(self, runs: Sequence[NamedRun], margin: float, task_margins: Mapping[str, float]) -> None:
        self.verdicts = by_comparable_name(*(own(found.run.verdicts) for found in runs))
        self._runs = runs
        self._margin = margin
        self._task_margins = task_margins
        self._scores: dict[int, dict[str, Scores]] = {}
        self._tasks = list(dict.fromkeys(v.task for found in runs for v in found.run.verdicts if v.task))
        self._differing = {
            (i, task): in_words(verdict_differences(runs[0].run, found.run, task))
            for i, found in enumerate(runs)
            for task in self._tasks
            if i > 0
        }

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        return tuple(Refusal(i, task, parts) for (i, task), parts in self._differing.items() if parts)

    def require_some(self) -> None:
        """Refuse runs that have nothing in common."""
        if self._differing and all(self._differing.values()):
            told = "; ".join(f"{refusal.task}: {refusal.parts}" for refusal in self.refusals[:5])
            raise RunError(
                f"these runs cannot be compared on any task, for what was asked differs: {told}",
                "compare runs over the same data, prompts, precision and settings",
            )

    def cell(self, gate: str, run: int) -> Cell:
        verdict, first = self.verdicts[run].get(gate), self.verdicts[0].get(gate)
        if run == 0 or verdict is None or (verdict.task and self._differing[run, verdict.task]):
            return Cell(verdict)
        change = self._change(verdict, run)
        if change is None:
            return Cell(verdict, None, _fall(first, verdict) if verdict.counts else "")
        allowed = self._allowed(first, verdict)
        # the end of the interval nearest to no loss at all
        least_loss = -change.high if verdict.higher_is_better else change.low
        loss = f"worse by more than the {allowed:g} allowed" if least_loss > allowed else ""
        return Cell(verdict, change, (_fall(first, verdict) or loss) if verdict.counts else "", allowed)

    def _change(self, verdict: Verdict, run: int) -> Interval | None:
        task, metric = verdict.task, verdict.metric
        if task is None or metric is None or task not in self.scores(0) or task not in self.scores(run):
            return None
        before, after = self.scores(0)[task], self.scores(run)[task]
        if not _is_that_metric(verdict, after, metric):
            return None
        return paired_change(before, aligned(before, after), metric, verdict.slice)

    def _allowed(self, *verdicts: Verdict | None) -> float:
        return min(
            -required
            if (required := verdict.required_gain) is not None and required < 0
            else self._task_margins.get(verdict.task or "", self._margin)
            for verdict in verdicts
            if verdict is not None
        )

    def scores(self, run: int) -> Mapping[str, Scores]:
        if run not in self._scores:
            self._scores[run] = candidate_scores(self._runs[run].run)
        return self._scores[run]

    def flips(self) -> tuple[Flips, ...]:
        last = len(self._runs) - 1
        verdicts = (v for found in (self._runs[last], self._runs[0]) for v in found.run.verdicts)
        metrics = {
            (v.task, v.metric): v.higher_is_better
            for v in verdicts
            if v.task and v.metric and not self._differing[last, v.task] and v.task in self.scores(0)
        }
        return find_flips(self._runs[0].run, self._runs[last].run, (self.scores(0), self.scores(last)), metrics)


def _is_that_metric(verdict: Verdict, scores: Scores, metric: str) -> bool:
    """Whether a metric of the whole task, where it is one, is what the gate measured under this name."""
    stored = verdict.candidate or (None if verdict.paired else verdict.estimate)
    value = corpus_value(scores, metric, verdict.slice)
    return stored is None or value is None or math.isclose(value, stored.value, abs_tol=_SAME)


def _fall(first: Verdict | None, verdict: Verdict) -> str:
    """How the outcome is worse than the first run's; empty where it is not, or the first run could not tell."""
    if first is None or first.outcome not in _BEFORE or verdict.outcome not in ("fail", "error"):
        return ""
    return f"{_BEFORE[first.outcome]} before, {'fails' if verdict.outcome == 'fail' else 'in error'} now"
