"""A comparison that is measured only as far as its gates need: `--sequential`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.digests import digest_json
from harness.gates.comparison import Comparison
from harness.gates.measurement import Measurement
from harness.gates.rules import Kind, Rule
from harness.gates.sequential import FIRST_BATCH, Stopped, measure_until_decided
from harness.gates.slices import item_gains
from harness.runs.schema import Sample, Verdict
from harness.stats import Interval
from harness.tasks.base import TaskLike

LEAST_ITEMS = 500
"""A smaller benchmark is measured whole: what stopping saves of it is seconds."""


class Unfolding:
    """Base and candidate on a benchmark, as many of its items as were asked for so far.

    Stands in for a `Comparison`: what is not a paired rule over a bounded per-item metric measures everything.

    Args:
        size: items of the benchmark.
        measure: the comparison over the items at places start to stop of their random order; each is asked for once.
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
        done = len(self._pairs)
        if done < stop:
            # A task answers in its own order. Any random order of the batch is as good as the one it was drawn in.
            self._pairs += sorted(self._measure(done, stop).pairs, key=lambda pair: digest_json(pair[0].item_id))
        part = self._pairs[start:stop]
        return Comparison(self.task, [base for base, _ in part], [other for _, other in part])

    @property
    def so_far(self) -> Comparison:
        """The items measured so far."""
        return self.upto(len(self._pairs))

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

    def superior(self, by: float = 0.0) -> SequentialRule:
        """As of a `Measurement`."""
        return SequentialRule("superior", self, by)

    def non_inferior(self, margin: float) -> SequentialRule:
        """As of a `Measurement`."""
        return SequentialRule("non_inferior", self, margin)

    def __getattr__(self, name: str) -> Any:
        # whatever else is asked of a measurement is asked of the whole one
        return getattr(self.unfolding.whole.metric(self.name), name)


@dataclass(frozen=True)
class SequentialRule:
    """A paired rule, decided as soon as the items measured so far suffice.

    The claim is about this benchmark's items; the wrong decisions are as rare as the confidence says, however often one
    looks (`harness.stats.sequential`). What stays open when all items are measured is decided as without `--sequential`,
    and so is a metric whose scores have no bounds, or that does not apply to every item.
    """

    kind: Kind
    metric: UnfoldingMetric
    threshold: float

    def decide(self, *, confidence: float = 0.95) -> Verdict:
        """The verdict, with `sequential` in its details: items used and saved, and the seconds that would have taken.

        Raises:
            TaskError: the task has no such metric.
            ConfigError: the threshold makes no sense.
        """
        unfolding, name = self.metric.unfolding, self.metric.name
        started = time.perf_counter()
        used = 0

        def gains(count: int) -> Any:
            nonlocal used
            used += count
            return _gains(unfolding.between(used - count, used).metric(name), count)

        first = self._rule(unfolding.upto(FIRST_BATCH).metric(name))
        width = _width(first.measurement)
        if width is None:
            return self._rule(unfolding.whole.metric(name)).decide(confidence=confidence)
        try:
            stopped = measure_until_decided(
                unfolding.size,
                gains,
                margin=self.threshold if self.kind == "non_inferior" else -self.threshold,
                lower=-width,
                upper=width,
                alpha=(1 - confidence) / 2,
            )
        except _Uneven:
            return self._rule(unfolding.whole.metric(name)).decide(confidence=confidence)
        measured = unfolding.upto(stopped.used).metric(name)
        if stopped.saved == 0:
            return self._rule(measured).decide(confidence=confidence)
        return self._verdict(measured, stopped, time.perf_counter() - started, confidence)

    def _rule(self, measured: Measurement) -> Rule:
        rule: Rule = getattr(measured, self.kind)(self.threshold)
        return rule

    def _verdict(self, measured: Measurement, stopped: Stopped, seconds: float, confidence: float) -> Verdict:
        rule = self._rule(replace(measured, known_difference=_difference(measured, stopped)))
        verdict = rule.decide(confidence=confidence)
        facts = {
            "items": stopped.used,
            "of": stopped.population,
            "saved": stopped.saved,
            "saved_s": round(seconds * stopped.saved / stopped.used, 1),
        }
        return replace(
            verdict,
            reason=f"{verdict.reason}; decided after {stopped.used:,} of {stopped.population:,} items",
            minimum_detectable_effect=None,  # of a design whose size was fixed before
            details={**verdict.details, "sequential": facts},
        )


class _Uneven(Exception):
    """The metric does not apply to every item, so that what is left to see is not known."""


def _gains(measured: Measurement, count: int) -> Any:
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
