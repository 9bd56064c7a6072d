"""The words of a verdict: numbers as a release manager reads them, and the one sentence they are put into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from harness.metrics.base import Metric
from harness.records import Estimate


@dataclass(frozen=True)
class Reason:
    """A verdict's sentence by its parts.

    Attributes:
        said: what was found, and how that stands to the rule.
        leads: what has to be known before it.
        notes: what it comes from, or what else is known.
    """

    said: str
    leads: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "; ".join((*self.leads, self.said, *self.notes))

    def after(self, *leads: str) -> Reason:
        """With these said first; empty ones are none."""
        return replace(self, leads=(*filter(None, leads), *self.leads))

    def noting(self, *notes: str) -> Reason:
        """With these said last; empty ones are none."""
        return replace(self, notes=(*self.notes, *filter(None, notes)))


class LevelWording(Protocol):
    """How to speak of a level and of a bound on it."""

    @property
    def level(self) -> Callable[[Estimate], str]: ...
    @property
    def bound(self) -> Callable[[float], str]: ...


@dataclass(frozen=True)
class Wording:
    """How to speak of one metric, and of what the candidate is compared with.

    Points and percent for 0/1 metrics, plain numbers otherwise.
    """

    metric: Metric
    base: str = "base"

    @property
    def better(self) -> str:
        """The verb for a change to the better."""
        return "gained" if self.metric.higher_is_better else "fell"

    @property
    def worse(self) -> str:
        """The verb for a change to the worse."""
        return "dropped" if self.metric.higher_is_better else "rose"

    def change(self, gain: Estimate) -> str:
        """A signed gain (above 0 is better), as in "dropped 3.1 points, between 1.9 and 4.4"."""
        seen, low, high = self.moved(gain.value), gain.low, gain.high
        if low is None or high is None or low == high:
            return seen
        if low >= 0 or high <= 0:
            near, far = sorted((abs(low), abs(high)))
            return f"{seen}, between {self.amount(near)} and {self.amount(far)}"
        return f"{seen}, between {self.worse} {self.amount(low)} and {self.better} {self.amount(high)}"

    def moved(self, value: float) -> str:
        """A signed gain without its interval, as in "dropped 3.1 points"."""
        size = f"{self.amount(value)} points" if self._percent else self.amount(value)
        return f"{self.better if value > 0 else self.worse} {size}" if value else "unchanged"

    def level(self, level: Estimate) -> str:
        """A metric's value, as in "91.0%, between 86.9% and 94.1%"."""
        return between(level, self.share)

    @property
    def bound(self) -> Callable[[float], str]:
        """A level that is asked for, in words."""
        return self.share

    def at_floor(self, base: Estimate) -> str:
        """Why a comparison with a base that knows nothing shows nothing."""
        floor = self.share(self.metric.floor or 0.0)
        seen = f"the {self.base} is at {self.level(base)}, not clearly better than chance ({floor})"
        return f"at floor: {seen}, so forgetting cannot show"

    def near_floor(self, base: Estimate, room: float, margin: float) -> str:
        """Why a comparison with a base that has less to lose than may be lost shows nothing."""
        seen = f"the {self.base} is at {self.level(base)}, {self.amount(room)} above chance"
        return f"at floor: {seen}, where a loss of {self.amount(margin)} is allowed, so forgetting cannot show"

    def amount(self, value: float) -> str:
        """The size of a change without its sign; of a 0/1 metric in points, without their unit."""
        return _rounded(100 * abs(value), 1) if self._percent else f"{abs(value):.4g}"

    def share(self, value: float) -> str:
        """A level: percent of a 0/1 metric."""
        return f"{_rounded(100 * value, 1)}%" if self._percent else f"{value:.4g}"

    @property
    def _percent(self) -> bool:
        return self.metric.kind == "binary"


def between(estimate: Estimate, number: Callable[[float], str]) -> str:
    """A number with its interval, as in "0.2 nats, between 0.1 nats and 0.3 nats"; alone where it has none."""
    seen = number(estimate.value)
    if estimate.low is None or estimate.high is None:
        return seen
    return f"{seen}, between {number(estimate.low)} and {number(estimate.high)}"


def _rounded(value: float, digits: int) -> str:
    """With `digits` decimals, or more where those would turn a small number into 0."""
    return f"{value:.{digits}f}" if value == 0 or abs(value) >= 10**-digits else f"{value:.2g}"
