"""Deciding on part of a benchmark of known mean: wrong decisions at the margin, and items to a decision."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from benchmarks.stats_cell import ALPHA, Cell
from benchmarks.stats_cells import FloatArray
from harness.gates.floor_test import FloorTest
from harness.gates.sequential_comparison import SAMPLE
from harness.metrics.base import Metric
from harness.stats import SequentialTest, paired_mean_difference
from harness.tasks.sampling import stratified_order

POWER = 0.8
STRATA = 20
CHANCE = 0.25
Order = Callable[[int], FloatArray]
"""The population in the order that a seed gives."""


@dataclass(frozen=True)
class Saving:
    """Items that a clear case takes.

    Attributes:
        median: of the items to a decision.
        fixed: items of a fixed design that sees a loss of twice the margin, or none, with 80% power.
        wrong: share of wrong decisions.
    """

    name: str
    median: float
    population: int
    fixed: int
    wrong: float


def stopping_cells(repeats: int) -> Iterator[Cell]:
    """Populations whose mean is exactly -margin, so that every decision before the last item is wrong.

    Watched item by item, where gains have bounds; looked at once, on the first of a random order, where they have none.
    And bases that guess, or have exactly the margin to lose.
    """
    for population, discordance, margin in ((120, 0.2, 0.05), (400, 0.1, 0.05), (400, 0.4, 0.05), (2000, 0.1, 0.02)):
        differences = _population(population, discordance, -margin)
        name = f"wrong.N={population}.discordance={discordance}.margin={margin}"
        yield _stopping(f"{name}.random", population, margin, _random(differences), repeats)
        yield _stopping(f"{name}.stratified", population, margin, _stratified(differences), repeats // 4 or 1)
        drawn = _independent(population, discordance, margin)
        yield _stopping(f"{name}.infinite", None, margin, drawn, repeats)
    for population in (2000, 14042):
        for shape, losses in _skewed(population).items():
            name = f"wrong.N={population}.sample={SAMPLE}.losses={shape}"
            yield _looking_once(f"{name}.random", _random(losses), repeats)
            yield _looking_once(f"{name}.stratified", _stratified(losses), repeats // 4 or 1)
        for margin in (0.02, 0.05):
            yield _standing(f"floor_test.N={population}.margin={margin}", population, margin, repeats)


def saving_cells(repeats: int) -> Iterator[Saving]:
    """Clear passes (nothing lost) and clear fails (three times the margin lost)."""
    for population, discordance, margin in (
        (400, 0.1, 0.05),
        (1000, 0.05, 0.05),
        (2000, 0.1, 0.02),
        (14042, 0.05, 0.02),
        (14042, 0.3, 0.02),
        (14042, 0.3, 0.05),
    ):
        for side, mean in (("pass", 0.0), ("fail", -3 * margin)):
            share = max(discordance, -mean)
            order = _random(_population(population, share, mean))
            tests = [_run(SequentialTest(margin, alpha=ALPHA, population=population), order(s)) for s in range(repeats)]
            right = "above" if side == "pass" else "below"
            effect = abs(mean + margin)
            yield Saving(
                name=f"{side}.N={population}.discordance={share:g}.margin={margin}",
                median=float(np.median([test.decided_after or population for test in tests])),
                population=population,
                fixed=min(population, fixed_items(share - mean**2, min(effect, margin))),
                wrong=float(np.mean([test.decision != right for test in tests])),
            )


def fixed_items(variance: float, effect: float) -> int:
    """Items of a fixed design that sees an effect with 80% power."""
    z = float(stats.norm.ppf(1 - ALPHA) + stats.norm.ppf(POWER))
    return math.ceil(variance * (z / effect) ** 2)


def _stopping(name: str, population: int | None, margin: float, order: Order, repeats: int) -> Cell:
    decisions = [
        _run(SequentialTest(margin, alpha=ALPHA, population=population), order(s)).decision for s in range(repeats)
    ]
    above, below = (sum(decision == side for decision in decisions) / repeats for side in ("above", "below"))
    return Cell(name, above, below, repeats)


def _looking_once(name: str, order: Order, repeats: int) -> Cell:
    truth = float(order(0).mean())
    seen = [paired_mean_difference(np.zeros(SAMPLE), order(s)[:SAMPLE]) for s in range(repeats)]
    above, below = (sum(wrong) / repeats for wrong in ([i.low > truth for i in seen], [i.high < truth for i in seen]))
    return Cell(name, above, below, repeats)


def _standing(name: str, population: int, margin: float, repeats: int) -> Cell:
    """How often a base that guesses is ever found clear of chance, and one with the margin to lose ever below that."""
    metric = Metric("acc", kind="binary", floor=CHANCE)
    right = np.arange(population) < round(population * (CHANCE + margin))
    clear = low = 0
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        guessing, holding = (FloorTest(metric, loss, population, ALPHA) for loss in (margin, right.mean() - CHANCE))
        guessing.update((rng.random(population) < CHANCE).astype(float))
        holding.update(rng.permutation(right).astype(float))
        clear += guessing.clear
        low += holding.low
    return Cell(name, clear / repeats, low / repeats, repeats)


def _skewed(size: int) -> dict[str, FloatArray]:
    """Losses in log-likelihood as they may be: many small and few large ones, or most of them none."""
    rng = np.random.default_rng(0)
    return {
        "exponential": -rng.exponential(size=size),
        "lognormal": -rng.lognormal(0.0, 1.5, size),
        "one_in_20": -np.where(rng.random(size) < 0.05, rng.exponential(size=size), 0.0),
    }


def _run(test: SequentialTest, differences: FloatArray) -> SequentialTest:
    test.update(differences)
    return test


def _population(size: int, discordance: float, mean: float) -> FloatArray:
    gained, lost = (round(size * (discordance + sign * mean) / 2) for sign in (1, -1))
    return np.concatenate([np.ones(gained), -np.ones(lost), np.zeros(size - gained - lost)])


def _random(differences: FloatArray) -> Order:
    return lambda seed: np.random.default_rng(seed).permutation(differences)


def _stratified(differences: FloatArray) -> Order:
    """Strata as unlike as can be: the sorted population in slices."""
    differences = np.sort(differences)
    strata = {str(place): str(place * STRATA // differences.size) for place in range(differences.size)}
    return lambda seed: differences[[int(place) for place in stratified_order(strata, seed)]]


def _independent(size: int, discordance: float, margin: float) -> Order:
    chances = [(discordance - margin) / 2, (discordance + margin) / 2, 1 - discordance]
    return lambda seed: np.random.default_rng(seed).choice([1.0, -1.0, 0.0], size, p=chances)
