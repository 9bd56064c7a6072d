"""An estimate and how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """An estimate with a two-sided confidence interval, in the units of the data.

    Attributes:
        n: items measured.
        method: how the interval was made, in words for a report.
        standard_error: 0 where every value is equal; the interval of a proportion has width even then.
        effective_n: independent items that would carry the same information; `n` without clusters.
        p_value: two-sided, against a difference of 0; None for a single estimate.
    """

    value: float
    low: float
    high: float
    n: int
    method: str
    standard_error: float
    confidence: float
    effective_n: float
    p_value: float | None = None
