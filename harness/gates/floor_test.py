"""The floor test: has the base anything to lose? Asked of all its scores, or sequentially while they come in."""

from __future__ import annotations

import numpy as np

from harness.gates.wording import Wording
from harness.metrics.base import Metric
from harness.records import Estimate
from harness.stats import SequentialTest
from harness.stats.arrays import FloatArray


def at_floor(base: Estimate, gain: Estimate, margin: float, wording: Wording) -> str:
    """Why forgetting could not show: the base has nothing to lose, or less than the margin; empty where it could.

    A gain that is sure shows all the same where the base only has less to lose than the margin.
    """
    metric = wording.metric
    low, high = base.ends
    if metric.floor is None:
        return ""
    if low <= metric.floor if metric.higher_is_better else high >= metric.floor:
        return wording.at_floor(base)
    room = base.value - metric.floor if metric.higher_is_better else metric.floor - base.value
    return wording.near_floor(base, room, margin) if room <= margin and gain.ends[0] < 0 else ""


class FloorTest:
    """Two sequential tests of the base's level above its floor, each wrong in at most `alpha` of cases at any look.

    That the base is above its floor is asked of the model, not of these items: once all of them are known, one that
    guesses is above chance half of the time. That it has less to lose than the margin is asked of these items, for
    those are what the gate would look at in the end.

    Args:
        margin: the loss allowed, above 0.
        population: items of the benchmark.
    """

    def __init__(self, metric: Metric, margin: float, population: int, alpha: float) -> None:
        self._sign = 1.0 if metric.higher_is_better else -1.0
        self._floor = metric.floor
        self._above: SequentialTest | None = None
        self._margin: SequentialTest | None = None
        bounds = metric.range
        if bounds is not None and metric.floor is not None:
            lowest, highest = sorted(self._room(np.array(bounds)).tolist())
            # Where no score is below the floor, the first above it proves the case: the rule itself sees that.
            if lowest < 0.0 < highest:
                self._above = SequentialTest(0.0, lowest, highest, alpha)
            if lowest < margin < highest:
                self._margin = SequentialTest(-margin, lowest, highest, alpha, population)

    def update(self, scores: FloatArray) -> None:
        """Take in further scores of the base, in the order drawn."""
        for test in (self._above, self._margin):
            if test is not None:
                test.update(self._room(scores))

    @property
    def clear(self) -> bool:
        """The base was shown to be above its floor, or it has none."""
        return self._above is None or self._above.decision == "above"

    @property
    def low(self) -> bool:
        """The base was shown to have less to lose than the margin: the gate has nothing to go on for."""
        return self._margin is not None and self._margin.decision == "below"

    def _room(self, scores: FloatArray) -> FloatArray:
        """How far above the floor scores lie."""
        room: FloatArray = self._sign * (scores - (self._floor or 0.0))
        return room
