"""The win rate there would be if both answers were equally long: judges prefer the longer one.

AlpacaEval 2's generalised linear model in its minimal form (Dubois et al. 2024, arXiv 2404.04475, section 3): a
logistic regression of the preference on a term of the model and on tanh of the standardised length difference, and
where it is known on the instruction's difficulty; the win rate is predicted with the length term at zero.

The weight for length has to be penalised. Where one side's answers are nearly always the longer, what length costs is read
off the few prompts where they are not; those are the easy ones with short answers, so that without a penalty a model with
answers 0.2 times as long goes from 2.6% to 20%, published 5.9%. AlpacaEval 2 knows the instructions' difficulty and judges
verbose and concise baselines beside. Here the ridge falls on the correction itself: on the square of what the weight moves
the candidate by in log-odds, `PENALTY` a prompt. Lengths that are even on average are corrected as without a penalty, and the
truth is covered; the further they part, the less is claimed (figures: `benchmarks.judging`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from harness.errors import AssayError
from harness.stats import Interval, statistic_interval
from harness.stats.arrays import Clusters, FloatArray, IntArray, as_floats
from harness.stats.bootstrap import RESAMPLES
from harness.stats.win_rate import as_preferences, widen_if_constant

PARTING = 0.05
"""Raw and length-controlled win rate this far apart are worth a warning."""

RATIOS = 0.7, 1.4
"""Ratios of the mean lengths between which answers of equal length are common enough to tell of them."""

# Of the squared shift, a prompt. Leaving one out of 11 models of AlpacaEval 2 chooses 0.04 or 0.05, of which the lesser takes
# less from answers that are far shorter; 0.02 to 0.08 keep within 2 points of the published rates.
PENALTY = 0.04
# In units of information: separable preferences keep finite weights. Of the length weight a normal prior with a standard
# deviation of 3 log-odds: no judge of AlpacaEval's leaderboard goes by more.
_RIDGE = 0.0001
_LENGTH_RIDGE = 0.1
_LONGEST_STEP = 4.0


class LengthsConfounded(AssayError):
    """Length and model cannot be told apart in this sample: the controlled win rate is unknown."""


@dataclass(frozen=True)
class LengthControlled:
    """A length-controlled win rate beside the raw one.

    Attributes:
        interval: the controlled rate.
        raw: the rate as judged.
        length_weight: log-odds that the judge adds at most for length; above 0 the longer answer is preferred.
        length_ratio: mean length of the candidate's answers over that of the base's.
        one_sided: one side's answer is the longer at every prompt.
    """

    interval: Interval
    raw: float
    length_weight: float
    length_ratio: float
    one_sided: bool

    @property
    def extrapolates(self) -> bool:
        """Answers of equal length lie outside of what was judged, or at its edge: nothing can rest on the rate."""
        return self.one_sided or not RATIOS[0] <= self.length_ratio <= RATIOS[1]

    @property
    def parts_from_raw(self) -> bool:
        """Length made a difference worth a warning: more than `PARTING`, or the interval leaves out the raw rate."""
        apart = abs(self.interval.value - self.raw) > PARTING
        return apart or not self.interval.low <= self.raw <= self.interval.high


def length_controlled_win_rate(
    preferences: ArrayLike,
    candidate_lengths: ArrayLike,
    base_lengths: ArrayLike,
    *,
    difficulty: ArrayLike | None = None,
    clusters: Clusters | None = None,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
    penalty: float = PENALTY,
) -> LengthControlled:
    """Win rate with the length of the answers held equal, with a BCa bootstrap interval of the same fit over prompts.

    Args:
        preferences: shape (n,), see `as_preferences`.
        candidate_lengths, base_lengths: shape (n,), of the answers, in any one unit; AlpacaEval takes characters.
        difficulty: shape (n,), one number an instruction on any scale.
        clusters: one label a prompt; whole clusters are resampled.
        penalty: on the squared shift in log-odds, a prompt; 0 for none.

    Raises:
        LengthsConfounded: the candidate is longer, or shorter, by the same length at every prompt.
        ValueError: as `as_preferences`, a length mismatch, lengths that are not finite, or fewer than 2 clusters.
    """
    values = as_preferences(preferences)
    candidate, base = as_floats(candidate_lengths, "candidate_lengths"), as_floats(base_lengths, "base_lengths")
    features = _features(values.size, candidate, base, difficulty)
    weights = _fit(features, values, penalty, np.zeros(features.shape[1]))

    def controlled(indices: IntArray) -> float:
        return _predict(_fit(features[indices], values[indices], penalty, weights), features[indices])

    found = statistic_interval(
        controlled, values.size, clusters=clusters, confidence=confidence, resamples=resamples, seed=seed
    )
    difference = candidate - base
    return LengthControlled(
        interval=widen_if_constant(replace(found, method=f"length-controlled, {found.method}"), values),
        raw=float(values.mean()),
        length_weight=float(weights[1]),
        length_ratio=_ratio(float(candidate.mean()), float(base.mean())),
        one_sided=bool(difference.min() > 0 or difference.max() < 0),
    )


def _ratio(candidate: float, base: float) -> float:
    if base == 0:
        return 1.0 if candidate == 0 else math.inf
    return candidate / base


def _features(n: int, candidate: FloatArray, base: FloatArray, difficulty: ArrayLike | None) -> FloatArray:
    """Shape (n, 2 or 3): 1 for the model, tanh of the standardised length difference, the standardised difficulty."""
    hardness = None if difficulty is None else as_floats(difficulty, "difficulty")
    columns = {"candidate_lengths": candidate, "base_lengths": base, "difficulty": hardness}
    for name, column in columns.items():
        if column is not None and column.size != n:
            raise ValueError(f"{name} has {column.size} values for {n} preferences")
    difference = candidate - base
    spread = float(difference.std(ddof=1)) if n > 1 else 0.0
    if spread == 0 and difference[0] != 0:
        raise LengthsConfounded(
            f"the candidate's answers differ in length from the base's by {difference[0]:g} at all {n} prompts",
            "length and model cannot be told apart: judge more prompts, or report the raw win rate alone",
        )
    terms = [np.ones(n), np.tanh(difference / spread) if spread else np.zeros(n)]
    if hardness is not None and np.ptp(hardness) > 0:
        terms.append((hardness - hardness.mean()) / hardness.std())
    return np.column_stack(terms)


def _predict(weights: FloatArray, features: FloatArray) -> float:
    """Mean preference with the length term at zero; rounded, so that resamples of one mixture tie, as BCa counts them."""
    level = features.copy()
    level[:, 1] = 0.0
    return round(float(expit(level @ weights).mean()), 12)


def _fit(features: FloatArray, preferences: FloatArray, penalty: float, weights: FloatArray) -> FloatArray:
    """Weights of the penalised logistic regression, shape (terms,), by Newton's method from `weights`."""
    ridge = np.full(weights.size, _RIDGE)
    ridge[1] = _LENGTH_RIDGE + penalty * len(features) * features[:, 1].mean() ** 2
    for _ in range(100):
        rates = expit(features @ weights)
        gradient = features.T @ (preferences - rates) - ridge * weights
        information = (features.T * (rates * (1 - rates))) @ features + np.diag(ridge)
        step = np.linalg.solve(information, gradient)
        weights = weights + step * min(1.0, _LONGEST_STEP / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-8:
            break
    return weights
