"""Comparisons measured only as far as their gates need: `--sequential`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from harness.gates.comparison import Comparison
from harness.gates.evidence import Evidence, mirrored
from harness.gates.floor_test import FloorTest
from harness.gates.kinds import KINDS
from harness.gates.rules import Finding, Rule
from harness.gates.sequential import FIRST_BATCH, Stopped, measure_until_decided
from harness.gates.slices import item_gains
from harness.records import Noise, Sample, Verdict
from harness.stats import Interval
from harness.stats.arrays import FloatArray
from harness.tasks.base import TaskLike

SAMPLE = 1000
"""Items that a metric without bounds is first decided on: a number that no score has a say in."""


class SequentialComparison:
    """Base and candidate on a benchmark, measured item by item in a random order, only as far as its gates need.

    Stands in for a `Comparison`: what is not a paired rule over a bounded per-item metric measures everything.

    Args:
        size: items of the benchmark.
        measure: (start, stop) -> the comparison over these positions of the random order; each is asked for once.
        noise: as of a `Comparison`, of all items; a part of them has more, which is not known.
    """

    def __init__(
        self,
        task: TaskLike,
        size: int,
        measure: Callable[[int, int], Comparison],
        noise: Mapping[str, Noise] = MappingProxyType({}),
    ) -> None:
        self.task = task
        self._noise = noise
        self.size = size
        self._measure = measure
        self._pairs: list[tuple[Sample, Sample]] = []

    def upto(self, n: int) -> Comparison:
        """The first `n` items."""
        return self.between(0, n)

    def between(self, start: int, stop: int) -> Comparison:
        """The items from position `start` up to `stop` of the random order, measured now where they were not yet."""
        if self.measured < stop:
            self._pairs += self._measure(self.measured, stop).pairs
        part = self._pairs[start:stop]
        noise = self._noise if len(part) == self.size else {}
        return Comparison(self.task, [base for base, _ in part], [other for _, other in part], noise=noise)

    @property
    def measured(self) -> int:
        """How many items were measured so far."""
        return len(self._pairs)

    @property
    def so_far(self) -> Comparison:
        """The items measured so far."""
        return self.upto(self.measured)

    @property
    def whole(self) -> Comparison:
        """All items."""
        return self.upto(self.size)

    def where(self, **tags: str) -> Comparison:
        """As of a `Comparison`, out of all items."""
        return self.whole.where(**tags)

    def metric(self, name: str) -> SequentialMeasurement:
        """A metric to put a rule to."""
        return SequentialMeasurement(self, name)


@dataclass(frozen=True)
class SequentialMeasurement:
    """A metric of a sequential comparison; nothing is measured before a rule on it is decided."""

    comparison: SequentialComparison
    name: str

    def superior(self, by: float = 0.0, *, remedy: str = "") -> SequentialRule:
        """As `Measurement.superior`."""
        return SequentialRule("superior", self, by, remedy)

    def non_inferior(self, margin: float, *, remedy: str = "") -> SequentialRule:
        """As `Measurement.non_inferior`."""
        return SequentialRule("non_inferior", self, margin, remedy)

    def rule(self, kind: str, threshold: float, *, remedy: str = "") -> SequentialRule | Rule:
        """As of a `Measurement`; one that asks for a level measures everything."""
        if KINDS.get(kind).paired:
            return SequentialRule(kind, self, threshold, remedy)
        return self.comparison.whole.metric(self.name).rule(kind, threshold, remedy=remedy)

    def __getattr__(self, name: str) -> Any:
        # whatever else is asked of a measurement is asked of the whole one
        return getattr(self.comparison.whole.metric(self.name), name)


@dataclass(frozen=True)
class SequentialRule:
    """A paired rule, decided as soon as the items measured so far suffice.

    The claim is about this benchmark's items; the wrong decisions are as rare as the confidence says, however often one
    looks (`harness.stats.sequential`). A metric whose scores have no bounds, or that does not apply to every item, is
    looked at once, after a number of items fixed beforehand. What stays open is decided by all items as without
    `--sequential`, which is no further chance to err: then there is nothing left that was not seen.
    """

    kind: str
    metric: SequentialMeasurement
    threshold: float
    remedy: str = ""

    def decide(self, *, confidence: float = 0.95) -> Verdict:
        """The verdict; where it rests on part of the items, its details say on how many under `sequential`."""
        first = self._rule(FIRST_BATCH).measurement
        width = _width(first)
        verdict = None
        if first.metric.corpus is None:  # what only all items together have is measured whole
            if width is None or abs(self.threshold) >= width:
                verdict = self._sampled(confidence)
            else:
                try:
                    verdict = self._watched(width, confidence)
                except _NotForEveryItem:
                    verdict = self._sampled(confidence)
        return verdict or self._rule(self.metric.comparison.size).decide(confidence=confidence)

    def _watched(self, width: float, confidence: float) -> Verdict | None:
        """Decided by looking after each batch; None where it took all items."""
        comparison, name, alpha = self.metric.comparison, self.metric.name, (1 - confidence) / 2
        kind = KINDS.get(self.kind)
        floor: FloorTest | None = None
        found: Finding | None = None
        used = 0

        def gains(count: int) -> FloatArray:
            nonlocal used, floor
            measured = comparison.between(used, used + count).metric(name)
            used += count
            seen = _gains(measured, count)
            if kind.needs_room and measured.base is not None:
                floor = floor or FloorTest(measured.metric, self.threshold, comparison.size, alpha)
                floor.update(measured.base)
            return seen

        def enough(stopped: Stopped) -> bool:
            nonlocal found
            rule = self._rule(stopped.used)
            known = _difference(rule.measurement, stopped)
            found = replace(rule, measurement=replace(rule.measurement, known_difference=known)).find(confidence)
            outcome = found.decision.outcome
            if floor is None or outcome not in ("pass", "inconclusive"):
                return outcome != "inconclusive"
            return floor.clear if outcome == "pass" else floor.low

        stopped = measure_until_decided(
            comparison.size,
            gains,
            margin=-kind.limit(self.threshold).value,
            lower=-width,
            upper=width,
            alpha=alpha,
            enough=enough,
        )
        if found is None or stopped.saved == 0:
            return None
        verdict = self._noted(found, stopped.used, f"decided after {stopped.used:,} of {stopped.population:,} items")
        # power is that of a design whose size was fixed before
        return replace(verdict, minimum_detectable_effect=None)

    def _sampled(self, confidence: float) -> Verdict | None:
        """Decided by looking once, at a fixed number of items; None where they do not suffice."""
        size = self.metric.comparison.size
        if size <= SAMPLE:
            return None
        rule = self._rule(SAMPLE)
        gains = item_gains(rule.measurement)
        if rule.measurement.metric.range is None and (gains is None or not gains.any()):
            return None  # where no change was drawn, nothing says how large those are that were not
        found = rule.find(confidence)
        if found.decision.outcome == "inconclusive":
            return None
        return self._noted(found, SAMPLE, f"decided by {SAMPLE:,} of {size:,} items, drawn at random")

    def _rule(self, count: int) -> Rule:
        """The rule over the first so many items."""
        measured = self.metric.comparison.upto(count).metric(self.metric.name)
        return measured.rule(self.kind, self.threshold, remedy=self.remedy)

    def _noted(self, found: Finding, used: int, how: str) -> Verdict:
        size = self.metric.comparison.size
        details = {**found.details, "sequential": {"items": used, "of": size}}
        return replace(replace(found, reason=found.reason.noting(how), details=details).verdict(), population=size)


class _NotForEveryItem(Exception):
    """The metric does not apply to every item, so that what is left to see is not known."""


def _gains(measured: Evidence, count: int) -> FloatArray:
    """Gains of a batch of `count` items; shape (count,)."""
    gains = item_gains(measured)
    if gains is None or measured.n != count or not np.isfinite(gains).all():
        raise _NotForEveryItem
    return gains


def _width(measured: Evidence) -> float | None:
    """How far apart two scores of the metric can be; None where there is no bound."""
    bounds = measured.metric.range
    return None if bounds is None or measured.metric.corpus is not None else bounds[1] - bounds[0]


def _difference(measured: Evidence, stopped: Stopped) -> Interval:
    """The interval of the gain as one of candidate minus base."""
    found = stopped.interval
    # The claim that decided is refuted, so the bound it stands at is not part of the interval.
    if stopped.decision == "above":
        found = replace(found, low=math.nextafter(found.low, math.inf))
    elif stopped.decision == "below":
        found = replace(found, high=math.nextafter(found.high, -math.inf))
    return found if measured.metric.higher_is_better else mirrored(found)
