"""The gates of a run by what they are about: the eight concerns of a release, the task first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.records import Outcome, Verdict
from harness.report.standing import POLICY

TASK, RELEASE = "task", "baseline"

_TITLES = {
    TASK: ("Task", "does it do its job?"),
    "data": ("Training data", "was it fit to train on?"),
    "integrity": ("Integrity", "is the candidate what it claims to be?"),
    "training": ("Training", "did it go well?"),
    "overfitting": ("Overfitting", "does it hold beyond its rows?"),
    "forgetting": ("Forgetting", "what did it cost?"),
    "safety": ("Safety", "does it refuse and answer as before?"),
    "judge": ("Judge", "does it read better, or worse?"),
    "merge": ("Merge", "is it no worse than its parents?"),
    "serving": ("Serving", "is it what answers?"),
    RELEASE: ("Last release", "is it no worse?"),
    POLICY: ("Required gates", "are they there?"),
}
# What most candidates have none of is no gap in a report.
_WHERE_GATED = ("merge", "serving", RELEASE, POLICY)

_ORDER: tuple[Outcome, ...] = ("fail", "error", "inconclusive", "pass")


@dataclass(frozen=True)
class Concern:
    """The gates about one thing, the worst first.

    Attributes:
        outcome: the worst of the verdicts that count; None where nothing was gated.
        leading: the verdict whose number stands for all; None where none has a number.
        since_release: the same measure held against the baseline adapter, where one was given.
    """

    name: str
    title: str
    question: str
    verdicts: tuple[Verdict, ...]
    leading: Verdict | None = None
    since_release: Verdict | None = None

    @property
    def outcome(self) -> Outcome | None:
        return self.verdicts[0].bearing if self.verdicts else None

    def of(self, outcome: Outcome) -> tuple[Verdict, ...]:
        """The verdicts that came out so."""
        return tuple(v for v in self.verdicts if v.outcome == outcome)

    def bearing(self, outcome: Outcome) -> tuple[Verdict, ...]:
        """The verdicts that bear on the release as such."""
        return tuple(v for v in self.verdicts if v.bearing == outcome)

    @property
    def aside(self) -> tuple[Verdict, ...]:
        """Those that did not pass and do not count."""
        return tuple(v for v in self.verdicts if v.outcome != v.bearing)


def concerns(verdicts: Iterable[Verdict]) -> tuple[Concern, ...]:
    """All eight, whether gated or not, and what was held against parents or a baseline or is missing, where something is."""
    by_name: dict[str, list[Verdict]] = {name: [] for name in _TITLES}
    for verdict in verdicts:
        by_name[concern_of(verdict)].append(verdict)
    held = by_name[RELEASE]
    return tuple(
        _concern(name, found, () if name == RELEASE else held)
        for name, found in by_name.items()
        if found or name not in _WHERE_GATED
    )


def concern_of(verdict: Verdict) -> str:
    """The concern of a gate: that of its suite; suites of a user's own are about the task."""
    if verdict.against:
        return RELEASE
    return verdict.suite if verdict.suite in _TITLES else TASK


def ranks(found: Iterable[Concern]) -> dict[str, int]:
    """Task -> its place by the worst of its verdicts, tasks alike in the order of the concerns."""
    gated = [v for one in found for v in one.verdicts if v.task]
    return {task: at for at, task in enumerate(dict.fromkeys(v.task for v in sorted(gated, key=worst_first) if v.task))}


def worst_first(verdict: Verdict) -> int:
    """Sort key of a verdict: failures first, since they decide the release, then errors; what does not count before passes."""
    return 2 * _ORDER.index(verdict.bearing) - (verdict.outcome != verdict.bearing)


def _concern(name: str, found: Sequence[Verdict], held: Sequence[Verdict]) -> Concern:
    ordered = sorted(found, key=lambda v: (worst_first(v), v.gate))
    leading = next((v for v in sorted(found, key=_says_most) if v.estimate is not None), None)
    since = None
    if leading is not None and held:
        measure = (leading.task, leading.metric, dict(leading.slice))
        since = next((v for v in held if (v.task, v.metric, dict(v.slice)) == measure), None)
    return Concern(name, *_TITLES[name], tuple(ordered), leading, since)


def _says_most(verdict: Verdict) -> tuple[int, bool, bool, bool, bool, bool]:
    """Sort key: the worst outcome that counts, something to lose, an interval and margin, a change from the base, all items."""
    estimate = verdict.estimate
    drawn = estimate is not None and estimate.low is not None and verdict.limit is not None
    place = _ORDER.index(verdict.bearing), verdict.outcome != verdict.bearing
    return (*place, verdict.at_floor, not drawn, not verdict.paired, bool(verdict.slice))
