"""Deciding on which side of a margin a mean lies, after as few items as the evidence allows."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from harness.stats.arrays import FloatArray, as_floats
from harness.stats.betting import FRACTIONS, log_capital, log_evidence
from harness.stats.interval import Interval

Decision = Literal["above", "below"]

_ROUNDING = 1e-9
# Halvings of the range: the bounds of the interval are right to a millionth of it.
_HALVINGS = 20


class SequentialTest:
    """Is the mean of bounded paired differences above -margin, or below it? Valid at any stopping time.

    Two betting e-processes, one against each answer (`harness.stats.betting`). Whichever first reaches 1 / alpha
    decides; a wrong decision has a probability of at most `alpha` in each direction, however often one looks.

    Args:
        margin: the loss allowed, in units of the differences; negative for a gain required.
        lower, upper: no difference can lie outside.
        alpha: of wrong decisions in each direction; 0.025 matches a two-sided interval of 95%.
        population: items of the benchmark, of which those seen are drawn at random without replacement; None where
            it is a sample of infinitely many. With it the claim is about the mean over exactly these items, which is
            known once all of them are seen.

    Raises:
        ValueError: -margin outside the bounds, alpha outside (0, 1), or a population below 1.
    """

    def __init__(
        self,
        margin: float,
        lower: float = -1.0,
        upper: float = 1.0,
        alpha: float = 0.025,
        population: int | None = None,
    ) -> None:
        if not lower < -margin < upper:
            raise ValueError(f"margin is {margin}: -margin must lie between the bounds {lower} and {upper}")
        if not 0.0 < alpha < 1.0:
            raise ValueError(f"alpha is {alpha}: it must lie between 0 and 1, as in 0.025")
        if population is not None and population < 1:
            raise ValueError(f"population is {population}: a benchmark has at least one item")
        self.margin, self.lower, self.upper = margin, lower, upper
        self.alpha, self.population = alpha, population
        self.decision: Decision | None = None
        self.decided_after: int | None = None
        self._values: FloatArray = np.empty(0)
        self._capital = {side: np.zeros(FRACTIONS.size) for side in ("above", "below")}

    @property
    def n(self) -> int:
        """Items seen; may exceed `decided_after`, as a batch is measured as a whole."""
        return int(self._values.size)

    @property
    def exhausted(self) -> bool:
        """Every item of the population was seen."""
        return self.n == self.population

    def update(self, differences: ArrayLike) -> Decision | None:
        """Take in further differences, in the order drawn; the first decision made stays.

        Returns:
            "above" where the mean is shown to be above -margin, "below" where below, None where open. Open after
            all items of the population means that the mean is exactly -margin.

        Raises:
            ValueError: a difference that is not finite or out of bounds, or more of them than the population holds.
        """
        values = as_floats(differences, "differences")
        self._check(values)
        crossed = {side: self._bet(values, side) for side in ("above", "below")}
        before = self.n
        self._values = np.concatenate([self._values, values])
        if self.decision is None:
            first = min((place, side) for side, place in crossed.items())
            if first[0] < values.size:
                self.decision = "above" if first[1] == "above" else "below"
                self.decided_after = before + first[0] + 1
            elif self.exhausted:
                self._decide_by_count()
        return self.decision

    def interval(self) -> Interval:
        """Confidence interval of the mean at 1 - 2 alpha that holds at every stopping time (a confidence sequence).

        All means that neither e-process would have refuted by now.

        Raises:
            ValueError: nothing was seen yet.
        """
        if self.n == 0:
            raise ValueError("no differences were seen yet: there is no interval")
        value = float(self._values.mean())
        low = _refuted_up_to(self._values, self.lower, self.upper, self.alpha, self.population)
        high = -_refuted_up_to(-self._values, -self.upper, -self.lower, self.alpha, self.population)
        if self.decision == "above":  # halving stops short of a bound that just reached it
            low = max(low, -self.margin)
        elif self.decision == "below":
            high = min(high, -self.margin)
        return Interval(
            value=value,
            low=min(low, value),
            high=max(high, value),
            n=self.n,
            method="betting confidence sequence" + ("" if self.population is None else ", without replacement"),
            standard_error=_standard_error(self._values, self.population),
            confidence=1 - 2 * self.alpha,
            effective_n=float(self.n),
        )

    def _bet(self, values: FloatArray, side: str) -> int:
        """Put the values to one side's gambler; the place where he first reaches 1 / alpha, or their number."""
        sign, lower = (1.0, self.lower) if side == "above" else (-1.0, -self.upper)
        capital = log_capital(
            sign * values,
            sign * -self.margin,
            lower,
            population=self.population,
            earlier=self._capital[side],
            seen=self.n,
            total=sign * float(self._values.sum()),
        )
        evidence = log_evidence(capital)
        self._capital[side] = capital[-1]
        reached = np.flatnonzero(evidence >= -math.log(self.alpha))
        return int(reached[0]) if reached.size else values.size

    def _decide_by_count(self) -> None:
        beyond = float(self._values.mean()) + self.margin
        if abs(beyond) > _ROUNDING:
            self.decision = "above" if beyond > 0 else "below"
            self.decided_after = self.n

    def _check(self, values: FloatArray) -> None:
        outside = np.flatnonzero((values < self.lower) | (values > self.upper))
        if outside.size:
            seen = f"differences[{outside[0]}] is {values[outside[0]]}"
            raise ValueError(f"{seen}: it must lie between {self.lower} and {self.upper}")
        if self.population is not None and self.n + values.size > self.population:
            raise ValueError(f"{self.n + values.size} differences of a population of {self.population}")


def _refuted_up_to(values: FloatArray, lower: float, upper: float, alpha: float, population: int | None) -> float:
    """The largest claimed mean that the gambler refutes; his capital falls as the claim rises, so halving finds it."""
    low, high = lower, upper
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        evidence = log_evidence(log_capital(values, middle, lower, population=population))
        if evidence.max() >= -math.log(alpha):
            low = middle
        else:
            high = middle
    if values.size == population:
        return max(low, float(values.mean()))
    return low


def _standard_error(values: FloatArray, population: int | None) -> float:
    if values.size < 2:
        return 0.0
    unseen = 1.0 if population is None else 1 - values.size / population
    return math.sqrt(float(values.var(ddof=1)) / values.size * unseen)
