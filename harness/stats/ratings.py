"""One scale for three or more models that were compared two at a time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from harness.stats.arrays import FloatArray, check_confidence, cluster_codes
from harness.stats.bootstrap import RESAMPLES
from harness.stats.interval import Interval

AVERAGE = 1000.0
"""Rating of the average model, or of the anchor."""

_ELO = 400 / math.log(10)
# Battles added between any two models that met, drawn: a model that never lost keeps a finite rating.
_PRIOR_BATTLES = 0.5
_LONGEST_STEP = 2.0


@dataclass(frozen=True)
class Battle:
    """Two models' answers to one prompt, judged.

    Attributes:
        score: 1 where the first was preferred, 0 the second, 0.5 for a tie; soft preferences lie between.
    """

    prompt: Hashable
    first: str
    second: str
    score: float


def elo_ratings(
    battles: Sequence[Battle],
    *,
    anchor: str | None = None,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Interval]:
    """Bradley-Terry ratings on the Elo scale, the best model first: 400 points are odds of 10 to 1.

    Maximum likelihood with ties as half a win to each (Bradley & Terry 1952, Biometrika 39, 324-345), and
    percentile intervals over prompts drawn with replacement, as in Chatbot Arena (Chiang et al. 2024, arXiv
    2403.04132). Half a drawn battle between any two that met keeps the rating of a model that never lost
    finite; such a rating says "far above" and its interval is too narrow.

    Args:
        anchor: the model put at `AVERAGE`, so that its interval has no width; without, the mean of all is.

    Raises:
        ValueError: fewer than 2 prompts, a score outside [0, 1], a model against itself, an anchor that did not
            play, or models that no chain of battles connects.
    """
    check_confidence(confidence)
    played = Counter(name for battle in battles for name in (battle.first, battle.second))
    models = sorted(played)
    wins = _wins_by_prompt(battles, models)
    _check_connected(wins.sum(axis=0), models)
    if anchor is not None and anchor not in models:
        raise ValueError(f"anchor {anchor!r} is in no battle; there are: {', '.join(models)}")
    prompts = len(wins)
    drawn = np.random.default_rng(seed).multinomial(prompts, np.full(prompts, 1 / prompts), size=resamples)
    totals = np.tensordot(np.vstack([np.ones(prompts), drawn]), wins, axes=1)
    strengths = _fit(totals, met=wins.sum(axis=0) + wins.sum(axis=0).T > 0)
    zero = strengths.mean(axis=1) if anchor is None else strengths[:, models.index(anchor)]
    ratings = AVERAGE + _ELO * (strengths - zero[:, None])
    tails = (0.5 - confidence / 2, 0.5 + confidence / 2)
    found = {}
    for column in np.argsort(-ratings[0], kind="stable"):
        value, draws = float(ratings[0, column]), ratings[1:, column]
        low, high = np.quantile(draws, tails)
        found[models[column]] = Interval(
            value=value,
            low=min(float(low), value),
            high=max(float(high), value),
            n=played[models[column]],
            method=f"Bradley-Terry, percentile bootstrap, {resamples} resamples of prompts",
            standard_error=float(draws.std(ddof=1)),
            confidence=confidence,
            effective_n=float(prompts),
        )
    return found


def _wins_by_prompt(battles: Sequence[Battle], models: Sequence[str]) -> FloatArray:
    """Shape (prompts, models, models): wins of the row's model over the column's."""
    codes = cluster_codes([battle.prompt for battle in battles], len(battles))
    prompts = int(codes.max()) + 1 if len(battles) else 0
    if prompts < 2:
        raise ValueError(f"{len(battles)} battles on {prompts} prompts: a bootstrap needs at least 2 prompts")
    place = {name: index for index, name in enumerate(models)}
    wins = np.zeros((prompts, len(models), len(models)))
    for code, battle in zip(codes, battles, strict=True):
        if not 0.0 <= battle.score <= 1.0:
            raise ValueError(f"{battle}: a score must lie between 0 and 1")
        if battle.first == battle.second:
            raise ValueError(f"{battle}: a model cannot meet itself")
        first, second = place[battle.first], place[battle.second]
        wins[code, first, second] += battle.score
        wins[code, second, first] += 1 - battle.score
    return wins


def _check_connected(wins: FloatArray, models: Sequence[str]) -> None:
    count, group = connected_components(wins + wins.T > 0, directed=False)
    if count > 1:
        islands = [[model for model, its in zip(models, group, strict=True) if its == each] for each in range(count)]
        raise ValueError(f"no battle connects {' | '.join(', '.join(names) for names in islands)}: no common scale")


def _fit(totals: FloatArray, met: NDArray[np.bool_]) -> FloatArray:
    """Log-strengths of each resample, shape (resamples, models), by Newton's method on all at once."""
    totals = totals + _PRIOR_BATTLES / 2 * met
    games = totals + np.swapaxes(totals, 1, 2)
    diagonal = np.arange(met.shape[0])
    strengths = np.zeros(totals.shape[:2])
    for _ in range(100):
        expected = 1 / (1 + np.exp(strengths[:, None, :] - strengths[:, :, None]))
        gradient = (totals - games * expected).sum(axis=2)
        curvature = games * expected * (1 - expected)
        # The scale has no zero of its own: one added to every cell holds the sum of all steps at 0.
        hessian = 1.0 - curvature
        hessian[:, diagonal, diagonal] += curvature.sum(axis=2)
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        strengths += np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        if np.abs(step).max() < 1e-9:
            break
    return strengths
