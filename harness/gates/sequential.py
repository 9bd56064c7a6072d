"""Measuring item by item until a paired gate is decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from numpy.typing import ArrayLike

from harness.stats import Decision, Interval, SequentialTest

MeasureGains = Callable[[int], ArrayLike]
"""Gain of the candidate on each of the next so many items, in random order; above 0 it is the better one."""

# Looking is free for the test but not for the engine, which computes each few-shot prompt once a batch: MMLU has 57.
# Batches that grow with what was seen keep the looks few, and the items measured in vain below a third.
FIRST_BATCH = 256
_GROWTH = 0.4


@dataclass(frozen=True)
class Stopped:
    """Where measuring stopped.

    Attributes:
        decision: "above" where the mean gain is shown to be above -margin, "below" where below, None where all items
            leave it exactly there.
        interval: of the mean gain over all items of the benchmark; holds at any stopping time.
        used: items measured.
        decided_after: items after which the evidence sufficed; at most `used`.
        population: items there are.
    """

    decision: Decision | None
    interval: Interval
    used: int
    decided_after: int | None
    population: int

    @property
    def saved(self) -> int:
        """Items that need not be measured."""
        return self.population - self.used


def measure_until_decided(
    population: int,
    measure: MeasureGains,
    *,
    margin: float,
    lower: float = -1.0,
    upper: float = 1.0,
    alpha: float = 0.025,
    enough: Callable[[Stopped], bool] = lambda stopped: True,
) -> Stopped:
    """Measure items in this order, in growing batches, until their mean gain is shown to lie on one side of -margin.

    Args:
        population: items of the benchmark.
        measure: takes its items in a random order (`harness.tasks.sampling.stratified_order`).
        lower, upper: no gain can lie outside; -1 and 1 for scores between 0 and 1.
        alpha: of wrong decisions in each direction.
        enough: whether to stop at a decision; asked after each further batch until it agrees.
    """
    test = SequentialTest(margin, lower, upper, alpha, population=population)
    while True:
        before = test.n
        batch = min(max(FIRST_BATCH, round(_GROWTH * before)), population - before)
        test.update(measure(batch))
        if test.n != before + batch:
            raise ValueError(f"{test.n - before} gains of {batch} items: there must be one an item")
        if test.exhausted or test.decision is not None:
            stopped = Stopped(test.decision, test.interval(), test.n, test.decided_after, population)
            if test.exhausted or enough(stopped):
                return stopped
