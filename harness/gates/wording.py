"""Numbers in the words of a release manager: points and percent for 0/1 metrics, plain numbers otherwise."""

from __future__ import annotations

from dataclasses import dataclass

from harness.metrics.base import Metric
from harness.stats import Interval


@dataclass(frozen=True)
class Wording:
    """How to speak of one metric, and of what the candidate is compared with."""

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

    def change(self, value: float, low: float, high: float) -> str:
        """A signed gain (above 0 is better), as in "dropped 3.1 points, between 1.9 and 4.4"."""
        seen = self.moved(value)
        if low == high:
            return seen
        if low >= 0 or high <= 0:
            near, far = sorted((abs(low), abs(high)))
            return f"{seen}, between {self.amount(near)} and {self.amount(far)}"
        return f"{seen}, between {self.worse} {self.amount(low)} and {self.better} {self.amount(high)}"

    def moved(self, value: float) -> str:
        """A signed gain without its interval, as in "dropped 3.1 points"."""
        size = f"{self.amount(value)} points" if self._percent else self.amount(value)
        return f"{self.better if value > 0 else self.worse} {size}" if value else "unchanged"

    def level(self, interval: Interval) -> str:
        """A metric's value, as in "91.0%, between 86.9% and 94.1%"."""
        return f"{self.share(interval.value)}, between {self.share(interval.low)} and {self.share(interval.high)}"

    def at_floor(self, base: Interval, change: str) -> str:
        """Why a comparison with a base that knows nothing shows nothing."""
        floor = self.share(self.metric.floor or 0.0)
        seen = f"the {self.base} is at {self.level(base)}, not clearly better than chance ({floor})"
        return f"at floor: {seen}, so forgetting cannot show; {change}"

    def near_floor(self, base: Interval, room: float, margin: float, change: str) -> str:
        """Why a comparison with a base that has less to lose than may be lost shows nothing."""
        seen = f"the {self.base} is at {self.level(base)}, {self.amount(room)} above chance"
        return (
            f"at floor: {seen}, where a loss of {self.amount(margin)} is allowed, so forgetting cannot show; {change}"
        )

    def amount(self, value: float) -> str:
        """The size of a change without its sign; of a 0/1 metric in points, without their unit."""
        return _rounded(100 * abs(value), 1) if self._percent else f"{abs(value):.4g}"

    def share(self, value: float) -> str:
        """A level: percent of a 0/1 metric."""
        return f"{_rounded(100 * value, 1)}%" if self._percent else f"{value:.4g}"

    @property
    def _percent(self) -> bool:
        return self.metric.kind == "binary"


def _rounded(value: float, digits: int) -> str:
    """With `digits` decimals, or more where those would turn a small number into 0."""
    return f"{value:.{digits}f}" if value == 0 or abs(value) >= 10**-digits else f"{value:.2g}"
