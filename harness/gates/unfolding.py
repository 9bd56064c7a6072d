"""A comparison that is measured only as far as its gates need: `--sequential`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.gates.comparison import Comparison
from harness.gates.config import Kind
from harness.gates.footing import Footing
from harness.gates.measurement import Measurement
from harness.gates.rules import Rule
from harness.gates.sequential import FIRST_BATCH, Stopped, measure_until_decided
from harness.gates.slices import item_gains
from harness.runs.schema import Sample, Verdict
from harness.stats import Interval
from harness.stats.arrays import FloatArray
from harness.tasks.base import TaskLike

SAMPLE = 1000
"""Items that a metric without bounds is first decided on: a number that no score has a say in."""


class Unfolding:
    """Base and candidate on a benchmark, as many of its items as were asked for so far.

    Stands in for a `Comparison`: what is not a paired rule over a bounded per-item metric measures everything.

    Args:
        size: items of the benchmark.
        measure: the comparison over the items at places start to stop of their random order, in that order; each is
            asked for once.
    """

    def __init__(self, task: TaskLike, size: int, measure: Callable[[int, int], Comparison]) -> None:
        self.task = task
        self.size = size
        self._measure = measure
        self._pairs: list[tuple[Sample, Sample]] = []

    def upto(self, n: int) -> Comparison:
        """The first `n` items."""
        return self.between(0, n)

    def between(self, start: int, stop: int) -> Comparison:
        """The items at places start to stop alone; those up to `stop` that were not measured yet are."""
        if self.measured < stop:
            self._pairs += self._measure(self.measured, stop).pairs
        part = self._pairs[start:stop]
        return Comparison(self.task, [base for base, _ in part], [other for _, other in part])

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

    def metric(self, name: str) -> UnfoldingMetric:
        """A metric to put a rule to; nothing is measured before the rule is decided."""
        return UnfoldingMetric(self, name)


@dataclass(frozen=True)
class UnfoldingMetric:
    """A metric of an unfolding comparison."""

    unfolding: Unfolding
    name: str

    def superior(self, by: float = 0.0, *, remedy: str = "") -> SequentialRule:
        """As of a `Measurement`."""
        return SequentialRule("superior", self, by, remedy)

    def non_inferior(self, margin: float, *, remedy: str = "") -> SequentialRule:
        """As of a `Measurement`."""
        return SequentialRule("non_inferior", self, margin, remedy)

    def __getattr__(self, name: str) -> Any:
        # whatever else is asked of a measurement is asked of the whole one
        return getattr(self.unfolding.whole.metric(self.name), name)


@dataclass(frozen=True)
class SequentialRule:
    """A paired rule, decided as soon as the items measured so far suffice.

    The claim is about this benchmark's items; the wrong decisions are as rare as the confidence says, however often one
    looks (`harness.stats.sequential`). A metric whose scores have no bounds, or that does not apply to every item, is
    looked at once, after a number of items fixed beforehand. What stays open is decided by all items as without
    `--sequential`, which is no further chance to err: then there is nothing left that was not seen.
    """

    kind: Kind
    metric: UnfoldingMetric
    threshold: float
    remedy: str = ""

    def decide(self, *, confidence: float = 0.95) -> Verdict:
        """The verdict; where it rests on part of the items, its details say on how many under `sequential`.

        Raises:
            TaskError: the task has no such metric.
            ConfigError: the threshold makes no sense.
        """
        first = self._rule(FIRST_BATCH).measurement
        width = _width(first)
        verdict = None
        if first.metric.corpus is None:  # what only all items together have is measured whole
            if width is None or abs(self.threshold) >= width:
                verdict = self._sampled(confidence)
            else:
                try:
                    verdict = self._watched(width, confidence)
                except _Uneven:
                    verdict = self._sampled(confidence)
        return verdict or self._rule(self.metric.unfolding.size).decide(confidence=confidence)

    def _watched(self, width: float, confidence: float) -> Verdict | None:
        """Looking after each batch; None where it took all items."""
        unfolding, name, alpha = self.metric.unfolding, self.metric.name, (1 - confidence) / 2
        footing: Footing | None = None
        verdict: Verdict | None = None
        used = 0

        def gains(count: int) -> FloatArray:
            nonlocal used, footing
            measured = unfolding.between(used, used + count).metric(name)
            used += count
            found = _gains(measured, count)
            if self.kind == "non_inferior" and measured.base is not None:
                footing = footing or Footing(measured.metric, self.threshold, unfolding.size, alpha)
                footing.update(measured.base)
            return found

        def enough(stopped: Stopped) -> bool:
            nonlocal verdict
            rule = self._rule(stopped.used)
            known = _difference(rule.measurement, stopped)
            rule = replace(rule, measurement=replace(rule.measurement, known_difference=known))
            # power is that of a design whose size was fixed before
            verdict = replace(rule.decide(confidence=confidence), minimum_detectable_effect=None)
            if footing is None or verdict.outcome not in ("pass", "inconclusive"):
                return verdict.outcome != "inconclusive"
            return footing.clear if verdict.outcome == "pass" else footing.low

        stopped = measure_until_decided(
            unfolding.size,
            gains,
            margin=self.threshold if self.kind == "non_inferior" else -self.threshold,
            lower=-width,
            upper=width,
            alpha=alpha,
            enough=enough,
        )
        if verdict is None or stopped.saved == 0:
            return None
        return self._noted(verdict, stopped.used, f"decided after {stopped.used:,} of {stopped.population:,} items")

    def _sampled(self, confidence: float) -> Verdict | None:
        """Looking once; None where that leaves it open."""
        size = self.metric.unfolding.size
        if size <= SAMPLE:
            return None
        rule = self._rule(SAMPLE)
        gains = item_gains(rule.measurement)
        if rule.measurement.metric.range is None and (gains is None or not gains.any()):
            return None  # where no change was drawn, nothing says how large those are that were not
        verdict = rule.decide(confidence=confidence)
        if verdict.outcome == "inconclusive":
            return None
        return self._noted(verdict, SAMPLE, f"decided by {SAMPLE:,} of {size:,} items, drawn at random")

    def _rule(self, count: int) -> Rule:
        """The rule over the first so many items."""
        measured = self.metric.unfolding.upto(count).metric(self.metric.name)
        rule: Rule = getattr(measured, self.kind)(self.threshold, remedy=self.remedy)
        return rule

    def _noted(self, verdict: Verdict, used: int, how: str) -> Verdict:
        facts = {"items": used, "of": self.metric.unfolding.size}
        return replace(verdict, reason=f"{verdict.reason}; {how}", details={**verdict.details, "sequential": facts})


class _Uneven(Exception):
    """The metric does not apply to every item, so that what is left to see is not known."""


def _gains(measured: Measurement, count: int) -> FloatArray:
    """Gains of a batch of `count` items; shape (count,)."""
    gains = item_gains(measured)
    if gains is None or measured.n != count or not np.isfinite(gains).all():
        raise _Uneven
    return gains


def _width(measured: Measurement) -> float | None:
    """How far apart two scores of the metric can be; None where there is no bound."""
    bounds = measured.metric.range
    return None if bounds is None or measured.metric.corpus is not None else bounds[1] - bounds[0]


def _difference(measured: Measurement, stopped: Stopped) -> Interval:
    """The interval of the gain as one of candidate minus base."""
    found = stopped.interval
    # The claim that decided is refuted, so the bound it stands at is not part of the interval.
    if stopped.decision == "above":
        found = replace(found, low=math.nextafter(found.low, math.inf))
    elif stopped.decision == "below":
        found = replace(found, high=math.nextafter(found.high, -math.inf))
    if measured.metric.higher_is_better:
        return found
    return replace(found, value=-found.value, low=-found.high, high=-found.low)
