"""How strong the adapter is behind an answer: where on the line from base to candidate a server's next tokens lie."""

from __future__ import annotations

import numpy as np
from scipy import stats

from harness.checks.serving.asking import Heard
from harness.checks.serving.line import BASE, CANDIDATE, Line
from harness.stats import Interval, clopper_pearson, mean_interval
from harness.stats.arrays import FloatArray

_GRID = np.linspace(-0.5, 3.0, 351)
_STEP = 0.02
_STRAY = 0.02
"""Share of written tokens that are allowed to come from nowhere on the line, such as of an unlike tokenisation."""
_LEAST_NOISE = 0.01
_GONE = 10.0
"""Nats by which a server is off that tells of none of the tokens of which it told before: none of these is likely any more."""


def strength(line: Line, heard: Heard, confidence: float = 0.95) -> Interval:
    """Estimate and interval of the served strength: 0 is the base, 1 the candidate.

    By log-probabilities: least squares along the line, tokens weighted by how likely base and candidate find them, and Student's
    interval of what each text moves (the influence function of an M-estimator; Huber 1981, Robust Statistics). By written tokens:
    the likelihood of each being the likeliest but for the noise of rounding, and the interval that its ratio leaves (Wilks 1938).
    """
    return _by_values(line, heard, confidence) if heard.tells else _by_choice(line, heard, confidence)


def _by_values(line: Line, heard: Heard, confidence: float) -> Interval:
    weights = np.where(np.isfinite(heard.values), line.weights, 0.0)
    said = np.nan_to_num(heard.values)
    errors = [float((weights * (said - line.at(at)) ** 2).sum()) for at in _GRID]
    best = float(_GRID[int(np.argmin(errors))])
    for _ in range(5):  # Gauss-Newton, from the nearest of the grid
        slope = _slope(line, best)
        scale = float((weights * slope**2).sum())
        if scale == 0:
            break
        best = float(np.clip(best + (weights * slope * (said - line.at(best))).sum() / scale, _GRID[0], _GRID[-1]))
    slope = _slope(line, best)
    moved = (weights * slope * (said - line.at(best))).sum(axis=1)
    scale = float((weights * slope**2).sum())
    if scale == 0:
        raise ValueError("base and candidate expect the same everywhere")
    found = mean_interval(best + len(moved) * moved / scale, clusters=list(line.passages), confidence=confidence)
    off = best - found.value
    return Interval(
        best,
        found.low + off,
        found.high + off,
        found.n,
        "least squares along the line",
        found.standard_error,
        confidence,
        found.effective_n,
    )


def _slope(line: Line, at: float) -> FloatArray:
    return (line.at(at + _STEP) - line.at(at - _STEP)) / (2 * _STEP)


def _by_choice(line: Line, heard: Heard, confidence: float) -> Interval:
    noise = max(2 * line.noise, _LEAST_NOISE)
    likelihoods = np.array([_log_likelihood(line.at(at), heard, noise) for at in _GRID])
    kept = _GRID[2 * (likelihoods.max() - likelihoods) <= stats.chi2.ppf(confidence, 1)]
    best = float(_GRID[likelihoods == likelihoods.max()].mean())
    low, high = float(kept.min()), float(kept.max())
    error = (high - low) / 2 / float(stats.norm.ppf(0.5 + confidence / 2))
    n = len(line.probes)
    return Interval(best, low, high, n, "likelihood ratio of written tokens", error, confidence, float(n))


def _log_likelihood(said: FloatArray, heard: Heard, noise: float) -> float:
    scaled = said / noise
    shares = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    chosen = np.where(heard.chosen >= 0, shares[np.arange(len(said)), heard.chosen], 0.0)
    return float(np.log((1 - _STRAY) * chosen + _STRAY / said.shape[1]).sum())


def nearer_the_candidate(line: Line, heard: Heard, confidence: float = 0.95, *, other: int = CANDIDATE) -> Interval:
    """Share of the probes at which the server is nearer one end of the line than the other: by its log-probabilities, else by
    the token it wrote, which is that end's, where a text can show both.

    Args:
        other: the end, `CANDIDATE` or `BASE`.
    """
    far = BASE if other == CANDIDATE else CANDIDATE
    if heard.tells:
        weights = np.where(np.isfinite(heard.values), line.weights, 0.0)
        said = np.nan_to_num(heard.values)
        to_it, away = ((weights * (said - line.said[end]) ** 2).sum(axis=1) for end in (other, far))
        near = to_it < away
    else:
        own, theirs = line.said[other].argmax(axis=1), line.said[far].argmax(axis=1)
        apart = own != theirs
        if heard.shown is not None:  # what no text shows cannot be told from what it wrote
            rows = np.arange(len(own))
            apart &= heard.shown[rows, own] & heard.shown[rows, theirs]
        near = (heard.chosen == own)[apart]
    return clopper_pearson(int(near.sum()), len(near), confidence=confidence)


def drift(line: Line, heard: Heard, at: float, confidence: float = 0.95) -> Interval:
    """How far the server's log-probabilities are from the line at a strength, in multiples of what rounding alone moves."""
    return _root(_squares(line, heard.values, line.at(at)), line, confidence)


def change(line: Line, heard: Heard, before: Heard, confidence: float = 0.95) -> Interval:
    """How far they are from those before, alike; where it told of some of the line's tokens and tells of none of these, far."""
    squares = _squares(line, heard.values, before.values)
    told = np.isfinite(before.values)
    gone = told.any(axis=1) & ~(told & np.isfinite(heard.values)).any(axis=1)
    return _root(np.where(gone, _GONE**2, squares), line, confidence)


def _squares(line: Line, one: FloatArray, other: FloatArray) -> FloatArray:
    """Mean squared difference at each probe, tokens weighted."""
    weights = np.where(np.isfinite(one) & np.isfinite(other), line.weights, 0.0)
    found: FloatArray = (weights * np.nan_to_num(one - other) ** 2).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-12)
    return found


def _root(squares: FloatArray, line: Line, confidence: float) -> Interval:
    mean = mean_interval(squares, clusters=list(line.passages), confidence=confidence)
    low, value, high = (
        float(np.sqrt(max(0.0, one))) / max(line.noise, 1e-9) for one in (mean.low, mean.value, mean.high)
    )
    error = (high - low) / 2 / float(stats.norm.ppf(0.5 + confidence / 2))
    return Interval(value, low, high, mean.n, f"root of a {mean.method} interval", error, confidence, mean.effective_n)
