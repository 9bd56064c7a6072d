"""Capital of a gambler who bets that a bounded mean is larger than claimed: evidence that may be watched as it grows.

Waudby-Smith & Ramdas 2023, "Estimating means of bounded random variables by betting", JRSS B 86(1), 1-27. If the mean is at
most `mean`, the capital is a non-negative supermartingale that starts at 1, so that it ever reaches 1 / alpha with a
probability of at most alpha (Ville 1939), whenever and for whatever reason one stops.

The capital is split evenly over `FRACTIONS` of the largest bet that cannot lose more than everything: one of them is
within a quarter of the best, and the price of not knowing which is below log(len(FRACTIONS)) of evidence, paid once.
"""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from harness.stats.arrays import FloatArray

# The best fraction is about (true mean - claimed mean) / variance, in units of the range below the mean: 1 where hardly
# any item differs, a few hundredths where thousands must be seen.
FRACTIONS: FloatArray = np.geomspace(0.03, 1.0, 8)
# Where bets grow with the share already drawn, up to here: a bet of everything would not survive one loss.
_LARGEST_GROWN = 0.9
_ROUNDING = 1e-9


def log_capital(
    values: FloatArray,
    mean: float,
    lower: float,
    *,
    population: int | None = None,
    earlier: FloatArray | None = None,
    seen: int = 0,
    total: float = 0.0,
) -> FloatArray:
    """Log capital of each fraction after each value, betting against "the mean is at most `mean`".

    With a finite population drawn without replacement the mean of what is left is claimed to be
    (N mean - total) / (N - seen) (section 5 of the paper), and bets grow as the rest shrinks.

    Args:
        values: shape (n,), each at least `lower`, in the order drawn.
        mean: above `lower`.
        population: N; None where items are drawn independently.
        earlier: shape (fractions,), log capital before these values; None at the start.
        seen, total: number and sum of the values before these.

    Returns:
        Shape (n, fractions); infinite from where the claim has become impossible.
    """
    before = total + np.concatenate([[0.0], np.cumsum(values)[:-1]])
    if population is None:
        claimed, growth = np.full(values.size, mean), np.ones(values.size)
    else:
        left = population - seen - np.arange(values.size)
        claimed, growth = (population * mean - before) / left, population / left
    room = claimed - lower
    bets = np.minimum(FRACTIONS * growth[:, None], np.maximum(FRACTIONS, _LARGEST_GROWN))
    safe = np.maximum(room, _ROUNDING)[:, None]
    with np.errstate(divide="ignore"):  # a bet of everything may lose everything: log 0
        gains = np.log(1.0 + bets * ((values[:, None] - lower) / safe - 1.0))
    # Nothing left can be below `lower`: a claim of less is refuted, and one of exactly that leaves nothing to bet on.
    gains = np.where(room[:, None] <= _ROUNDING, 0.0, gains)
    start = np.zeros(FRACTIONS.size) if earlier is None else earlier
    refuted = np.logical_or.accumulate(room < -_ROUNDING)
    capital: FloatArray = np.where(refuted[:, None], np.inf, start + np.cumsum(gains, axis=0))
    return capital


def log_evidence(capital: FloatArray) -> FloatArray:
    """The e-process: log of the mean capital over the fractions; shape (n, fractions) to (n,)."""
    mixed: FloatArray = logsumexp(capital, axis=1) - np.log(capital.shape[1])
    return mixed
