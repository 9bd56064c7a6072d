"""An estimate, how far it can be trusted, and what a measurement could have seen. Imported without numpy."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist


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


def minimum_detectable_effect(interval: Interval, *, power: float = 0.8) -> float | None:
    """Smallest true effect that a repeat of this measurement would tell from none with this power.

    (z_{1 - alpha/2} + z_power) standard errors, alpha = 1 - confidence, two-sided (Miller 2024, arXiv
    2411.00640). The half-width of the interval over z stands in for a smaller standard
    error, so that a paired proportion without one discordant pair still has a floor, and a mean, whose interval
    reaches further than its standard error says, keeps the power promised.

    Returns:
        The effect, in the units of the interval; None where the interval has no width, so that nothing
        is known about the noise.

    Raises:
        ValueError: power not between 0 and 1.
    """
    if not 0.0 < power < 1.0:
        raise ValueError(f"power is {power}: it must lie between 0 and 1, as in 0.8")
    quantile = NormalDist().inv_cdf
    z = quantile(0.5 + interval.confidence / 2)
    error = max(interval.standard_error, (interval.high - interval.low) / 2 / z)
    return (z + quantile(power)) * error if error > 0 else None
