"""Ratings against an independent fit, and what must not move them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from harness.stats import Battle, elo_ratings

STRENGTHS = {"strong": 1.0, "middle": 0.3, "weak": -0.4, "base": -0.9}


def played(prompts: int, seed: int = 0, ties: float = 0.2) -> list[Battle]:
    """Every two models meet on every prompt."""
    rng = np.random.default_rng(seed)
    names = list(STRENGTHS)
    battles = []
    for prompt in range(prompts):
        for i, first in enumerate(names):
            for second in names[i + 1 :]:
                chance = 1 / (1 + math.exp(STRENGTHS[second] - STRENGTHS[first]))
                score = 0.5 if rng.random() < ties else float(rng.random() < chance)
                battles.append(Battle(prompt, first, second, score))
    return battles


def test_ratings_are_those_of_a_logistic_regression_with_ties_as_half_wins() -> None:
    battles = played(300)
    names = list(STRENGTHS)
    rows, wins, weights = [], [], []
    for battle in battles:
        row = np.zeros(len(names))
        row[names.index(battle.first)], row[names.index(battle.second)] = 1, -1
        for won, weight in ((1, battle.score), (0, 1 - battle.score)):
            rows.append(row), wins.append(won), weights.append(weight)
    fit = LogisticRegression(fit_intercept=False, C=1e6).fit(rows, wins, sample_weight=weights)
    strengths = fit.coef_[0] - fit.coef_[0].mean()
    ours = elo_ratings(battles, resamples=50)
    for name, strength in zip(names, strengths, strict=True):
        assert ours[name].value == pytest.approx(1000 + 400 / math.log(10) * strength, abs=1.0)


def test_the_best_comes_first_and_true_differences_are_in_the_intervals() -> None:
    ours = elo_ratings(played(300, ties=0.0), anchor="base")
    assert list(ours) == list(STRENGTHS)
    assert (ours["base"].low, ours["base"].value, ours["base"].high) == (1000, 1000, 1000)
    for name, interval in ours.items():
        truth = 1000 + 400 / math.log(10) * (STRENGTHS[name] - STRENGTHS["base"])
        assert interval.low <= truth <= interval.high
        assert interval.n == 900


def test_three_to_one_is_191_points() -> None:
    battles = [Battle(prompt, "a", "b", float(prompt % 4 > 0)) for prompt in range(4000)]
    ours = elo_ratings(battles, resamples=20)
    assert ours["a"].value - ours["b"].value == pytest.approx(400 * math.log10(3), abs=0.5)


def test_the_order_within_a_battle_does_not_matter() -> None:
    battles = played(50)
    turned = [Battle(b.prompt, b.second, b.first, 1 - b.score) for b in battles]
    there, back = elo_ratings(battles, resamples=20), elo_ratings(turned, resamples=20)
    for name in STRENGTHS:
        assert back[name].value == pytest.approx(there[name].value)


def test_whole_prompts_are_resampled() -> None:
    once = [Battle(p, "a", "b", float(p % 3 > 0)) for p in range(60)]
    many = [battle for battle in once for _ in range(10)]
    alone, copies = elo_ratings(once)["a"], elo_ratings(many)["a"]
    assert copies.high - copies.low == pytest.approx(alone.high - alone.low, rel=0.1)
    assert copies.effective_n == 60


def test_one_that_never_lost_gets_a_finite_rating_above_all() -> None:
    battles = [b for b in played(40) if "strong" not in (b.first, b.second)]
    battles += [Battle(p, "strong", "middle", 1.0) for p in range(40)]
    ours = elo_ratings(battles)
    best, second, *_ = ours.values()
    assert next(iter(ours)) == "strong"
    assert second.high < best.low <= best.high < 3000


@pytest.mark.parametrize(
    ("battles", "message"),
    [
        ([], "0 battles on 0 prompts"),
        ([Battle(1, "a", "b", 1.0)], "1 prompts"),
        ([Battle(1, "a", "b", 1.0), Battle(2, "c", "d", 1.0)], r"a, b \| c, d"),
        ([Battle(1, "a", "b", 1.0), Battle(2, "a", "b", 1.5)], "between 0 and 1"),
        ([Battle(1, "a", "b", 1.0), Battle(2, "a", "a", 1.0)], "meet itself"),
    ],
)
def test_what_has_no_common_scale_is_refused(battles: list[Battle], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        elo_ratings(battles)


def test_an_anchor_that_did_not_play_is_refused_with_those_that_did() -> None:
    with pytest.raises(ValueError, match="there are: a, b"):
        elo_ratings([Battle(1, "a", "b", 1.0), Battle(2, "a", "b", 0.0)], anchor="c")
