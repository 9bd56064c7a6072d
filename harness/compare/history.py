"""How a task went from run to run: the candidates' values of its metrics, out of the verdicts alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.compare.comparability import verdict_differences
from harness.records import WORST_FIRST, Outcome, Verdict
from harness.runs.baselines import own
from harness.runs.run import Run


@dataclass(frozen=True)
class Measure:
    """A metric of a task, over all of its items."""

    task: str
    metric: str


@dataclass(frozen=True)
class Point:
    """A measure in a run: the worst outcome of the gates on it, and the candidate's value; None where it has none."""

    outcome: Outcome
    value: float | None


@dataclass(frozen=True)
class Step:
    """A task in a run.

    Attributes:
        points: by measure; one that the run lacks is not there.
        differing: what keeps it from being held against the run before; empty where nothing does, and for the first.
    """

    run: Run
    points: Mapping[Measure, Point]
    differing: tuple[str, ...]


def history(runs: Iterable[Run], task: str) -> list[Step]:
    """The runs that gated a task, in their order."""
    steps: list[Step] = []
    for run in runs:
        points = measured(run, task)
        if points:
            differing = tuple(verdict_differences(steps[-1].run, run, task)) if steps else ()
            steps.append(Step(run, points, differing))
    return steps


def measured(run: Run, task: str) -> dict[Measure, Point]:
    """What a run's gates say of a task as a whole."""
    by_metric: dict[Measure, list[Verdict]] = {}
    for verdict in own(run.verdicts):
        if verdict.task == task and verdict.metric and not verdict.slice:
            by_metric.setdefault(Measure(task, verdict.metric), []).append(verdict)
    return {measure: _point(verdicts) for measure, verdicts in by_metric.items()}


def own_value(verdict: Verdict | None) -> float | None:
    """The candidate's own value of a gate's metric; None where it has none."""
    if verdict is None:
        return None
    stored = verdict.candidate or (None if verdict.paired else verdict.estimate)
    return None if stored is None else stored.value


def _point(verdicts: Sequence[Verdict]) -> Point:
    worst = min(verdicts, key=lambda verdict: WORST_FIRST.index(verdict.outcome))
    return Point(worst.outcome, next((value for v in verdicts if (value := own_value(v)) is not None), None))
