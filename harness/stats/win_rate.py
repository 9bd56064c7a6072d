"""How often the candidate was preferred, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from harness.stats import Interval, statistic_interval
from harness.stats.arrays import Clusters, FloatArray, IntArray, as_shares, cluster_codes
from harness.stats.bootstrap import RESAMPLES
from harness.stats.clusters import clustered_variance


@dataclass(frozen=True)
class Tally:
    """Prompts by what was preferred; a soft preference counts for the side it leans to."""

    wins: int
    ties: int
    losses: int


def as_preferences(values: ArrayLike) -> FloatArray:
    """Shape (n,), one number a prompt: 1 the candidate was preferred, 0 the base, 0.5 a tie, soft ones between.

    Raises:
        ValueError: empty, NaN or outside [0, 1].
    """
    return as_shares(values, "preferences")


def tally(preferences: ArrayLike) -> Tally:
    """Wins, ties and losses. Raises as `as_preferences`."""
    values = as_preferences(preferences)
    wins, losses = int(np.sum(values > 0.5)), int(np.sum(values < 0.5))
    return Tally(wins, values.size - wins - losses, losses)


def win_rate(
    preferences: ArrayLike,
    *,
    clusters: Clusters | None = None,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Mean preference, ties as half a win, with a BCa bootstrap interval over prompts.

    AlpacaEval's win rate over 100 (Li et al. 2023, github.com/tatsu-lab/alpaca_eval); so is the standard error,
    that of a mean, clustered where there are clusters. Where all prompts agree, see `widen_if_constant`.

    Args:
        preferences: shape (n,), see `as_preferences`.
        clusters: one label a prompt; whole clusters are resampled.

    Raises:
        ValueError: as `as_preferences`, a length mismatch, or fewer than 2 clusters.
    """
    values = as_preferences(preferences)

    def mean(indices: IntArray) -> float:
        return float(values[indices].mean())

    interval = statistic_interval(
        mean, values.size, clusters=clusters, confidence=confidence, resamples=resamples, seed=seed
    )
    error = math.sqrt(clustered_variance(values, cluster_codes(clusters, values.size)))
    return widen_if_constant(replace(interval, standard_error=error), values)


def widen_if_constant(interval: Interval, preferences: FloatArray) -> Interval:
    """The interval, or where all preferences are equal at least what may have gone unseen; a bootstrap gives no width.

    Any of n independent prompts may have differed with a probability of up to 1 - (alpha / 2)^(1 / n) without
    one being seen (Clopper & Pearson 1934, Biometrika 26, 404-413; about 3.7 / n at 95%), at worst as full
    losses or full wins.
    """
    if np.ptp(preferences) > 0:
        return interval
    value = float(preferences[0])
    unseen = 1 - (0.5 - interval.confidence / 2) ** (1 / interval.effective_n)
    return replace(
        interval,
        low=min(interval.low, value * (1 - unseen)),
        high=max(interval.high, value + (1 - value) * unseen),
        method="unseen share, Clopper-Pearson",
    )
