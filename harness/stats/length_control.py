"""The win rate there would be if both answers were equally long: judges prefer the longer one.

AlpacaEval 2's generalised linear model in its minimal form (Dubois et al. 2024, arXiv 2404.04475, section 3): a
logistic regression of the preference on a term of the model and on tanh of the standardised length difference, and
where it is known on the instruction's difficulty; the win rate is predicted with the length term at zero. Its
regularisation towards verbose and concise baselines needs judgements of those and is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from harness.errors import AssayError
from harness.stats import Interval, replicate
from harness.stats.arrays import Clusters, FloatArray, IntArray, as_floats
from harness.stats.bootstrap import RESAMPLES
from harness.stats.win_rate import as_preferences, widen_if_constant

PARTING = 0.05
"""Raw and length-controlled win rate this far apart are worth a warning."""

# In units of information: next to 100 prompts nothing, but separable preferences keep finite weights.
_RIDGE = 0.0001
# Residual wins that a model term must explain before it is believed; see `_fit`.
_EVIDENCE = 2.0
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
    """

    interval: Interval
    raw: float
    length_weight: float

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
) -> LengthControlled:
    """Win rate with the length of the answers held equal, with a BCa bootstrap interval over prompts.

    The bootstrap is of the fit without `_fit`'s threshold: a thresholded estimate that is often exactly 50% would
    get an interval without width, though next to nothing is known of quality where length decides everything.

    Args:
        preferences: shape (n,), see `as_preferences`.
        candidate_lengths, base_lengths: shape (n,), of the answers, in any one unit; AlpacaEval takes characters.
        difficulty: shape (n,), one number an instruction on any scale.
        clusters: one label a prompt; whole clusters are resampled.

    Raises:
        LengthsConfounded: the candidate is longer, or shorter, by the same length at every prompt.
        ValueError: as `as_preferences`, a length mismatch, or fewer than 2 clusters.
    """
    values = as_preferences(preferences)
    features = _features(values.size, candidate_lengths, base_lengths, difficulty)

    def controlled(indices: IntArray) -> float:
        return _predict(_fit(features[indices], values[indices], threshold=0.0), features[indices])

    found = replicate(controlled, values.size, clusters=clusters, resamples=resamples, seed=seed).interval(confidence)
    weights = _fit(features, values, threshold=_EVIDENCE)
    value = _predict(weights, features)
    interval = replace(
        found,
        value=value,
        low=min(found.low, value),
        high=max(found.high, value),
        method=f"length-controlled, {found.method}",
    )
    return LengthControlled(widen_if_constant(interval, values), float(values.mean()), float(weights[1]))


def _features(
    n: int, candidate_lengths: ArrayLike, base_lengths: ArrayLike, difficulty: ArrayLike | None
) -> FloatArray:
    """Shape (n, 2 or 3): 1 for the model, tanh of the standardised length difference, the standardised difficulty."""
    lengths = as_floats(candidate_lengths, "candidate_lengths"), as_floats(base_lengths, "base_lengths")
    hardness = None if difficulty is None else as_floats(difficulty, "difficulty")
    columns = {"candidate_lengths": lengths[0], "base_lengths": lengths[1], "difficulty": hardness}
    for name, column in columns.items():
        if column is not None and column.size != n:
            raise ValueError(f"{name} has {column.size} values for {n} preferences")
    difference = lengths[0] - lengths[1]
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
    """Mean preference with the length term at zero."""
    level = features.copy()
    level[:, 1] = 0.0
    return float(expit(level @ weights).mean())


def _fit(features: FloatArray, preferences: FloatArray, *, threshold: float) -> FloatArray:
    """Weights of the logistic regression, shape (terms,); preferences may be soft.

    A judge that goes by length alone leaves the model term undetermined: whatever cuts between the shortest
    positive and the shortest negative difference fits. AlpacaEval meets this with an L1 penalty. Here too the
    model term stays at zero while it explains no more than `threshold` wins; the penalty then fades to nothing
    at twice that (firm thresholding: Gao & Bruce 1997, Statistica Sinica 7, 855-874), for L1 would draw every
    rate towards 50% by threshold / n or more.
    """
    weights = np.zeros(features.shape[1])
    if threshold:
        weights[1:] = _maximise(features[:, 1:], preferences, np.zeros(features.shape[1] - 1), pull=0.0)
        unexplained = float(np.sum(preferences - expit(features @ weights)))
        if abs(unexplained) <= threshold:
            return weights
        pull = float(np.sign(unexplained)) * max(0.0, 2 * threshold - abs(unexplained))
        return _maximise(features, preferences, weights, pull=pull)
    return _maximise(features, preferences, weights, pull=0.0)


def _maximise(features: FloatArray, preferences: FloatArray, weights: FloatArray, *, pull: float) -> FloatArray:
    """Newton's method on the log-likelihood less the ridge and `pull` times the first weight."""
    for _ in range(100):
        rates = expit(features @ weights)
        gradient = features.T @ (preferences - rates) - _RIDGE * weights
        gradient[0] -= pull
        information = (features.T * (rates * (1 - rates))) @ features + _RIDGE * np.eye(weights.size)
        step = np.linalg.solve(information, gradient)
        weights = weights + step * min(1.0, _LONGEST_STEP / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-8:
            break
    return weights
