"""Simulated measurements with a known truth, and how often an interval lies wholly on one side of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from harness.stats import Interval, mean_interval, paired_binary_difference, paired_mean_difference, wilson
from harness.stats.paired_binary import change_moments
from harness.stats.proportion import share_moments
from harness.stats.score import beyond_chance

FloatArray = NDArray[np.float64]
Draw = Callable[[np.random.Generator], FloatArray]

SIZES = (30, 100, 300, 1000, 5000)
DISCORDANCES = (0.02, 0.05, 0.1, 0.2, 0.4)
CLUSTERED = ((15, 2), (10, 10), (30, 10), (57, 20), (300, 5), (500, 10))  # (clusters, items in each)
CORRELATION = 0.2
Z = float(stats.norm.ppf(0.975))


@dataclass(frozen=True)
class Cell:
    """Shares of repeats whose 95% interval lay wholly above, and wholly below, the truth."""

    name: str
    above: float
    below: float
    repeats: int


def coverage_cells(repeats: int) -> Iterator[Cell]:
    """Levels near 0 and 1 and between, and means of bounded scores near 0 and 1, clustered and not."""
    rng = np.random.default_rng(1)
    for n in SIZES:
        for share in (0.02, 0.1, 0.5, 0.9, 0.98):
            yield _share(rng, n, share, 10 * repeats)
    for groups, size in CLUSTERED:
        for share in (0.05, 0.5, 0.95):

            def draw(
                rng: np.random.Generator, groups: int = groups, size: int = size, share: float = share
            ) -> FloatArray:
                return np.where(_changes(rng, groups, size, share, 0.0) > 0, 1.0, 0.0)

            labels = np.repeat(np.arange(groups), size)
            name = f"share.n={groups * size}.mean={share}.clusters={groups}"
            yield _measured(rng, name, draw, lambda v, labels=labels: wilson(v, clusters=labels), share, repeats)
    for n in SIZES:
        for rise, fall in ((2.0, 18.0), (18.0, 2.0)):

            def scores(rng: np.random.Generator, n: int = n, rise: float = rise, fall: float = fall) -> FloatArray:
                return rng.beta(rise, fall, n)

            truth = rise / (rise + fall)
            yield _measured(rng, f"mean.n={n}.mean={truth:g}", scores, mean_interval, truth, repeats)


def error_cells(repeats: int) -> Iterator[Cell]:
    """Paired differences at the margin: binary, skewed, zero-inflated; clustered and not."""
    rng = np.random.default_rng(2)
    for n in SIZES:
        for discordance in DISCORDANCES:
            for share in (0.0, 0.5, 1.0):  # of the discordance that is loss without gain
                yield _difference(rng, n, discordance, share * discordance, 10 * repeats)
    for groups, size in CLUSTERED:
        for discordance in (0.02, 0.1, 0.4):
            yield _clustered_difference(rng, groups, size, discordance, discordance / 2, repeats)
    for n in SIZES:
        yield _mean(rng, f"mean.n={n}.normal", lambda rng, n=n: rng.normal(size=n), 0.0, repeats)
        yield _mean(rng, f"mean.n={n}.exponential", lambda rng, n=n: -rng.exponential(size=n), -1.0, repeats)
        for changed in (0.02, 0.1, 0.4):
            kind = "rare" if n * changed < 6 else "sparse"
            yield _mean(
                rng,
                f"mean.n={n}.{kind}={changed}",
                lambda rng, n=n, changed=changed: np.where(rng.random(n) < changed, -rng.random(n), 0.0),
                -changed / 2,
                repeats,
            )
    for groups, size in CLUSTERED:
        labels = np.repeat(np.arange(groups), size)

        def shared(rng: np.random.Generator, groups: int = groups, size: int = size) -> FloatArray:
            return np.repeat(rng.normal(size=groups), size) * 0.5 - rng.exponential(size=groups * size)

        yield _measured(
            rng,
            f"mean.n={groups * size}.exponential.clusters={groups}",
            shared,
            lambda v, labels=labels: paired_mean_difference(np.zeros(v.size), v, clusters=labels),
            -1.0,
            repeats,
        )


def _share(rng: np.random.Generator, n: int, share: float, repeats: int) -> Cell:
    """Wilson's decision at the truth, for all repeats at once; his bounds are where it turns."""
    distance = rng.binomial(n, share, repeats) / n - share
    moments = share_moments(share)
    above = beyond_chance(distance, n, Z, moments) > 0
    below = beyond_chance(-distance, n, Z, moments.mirrored()) > 0
    return Cell(f"share.n={n}.mean={share}", float(above.mean()), float(below.mean()), repeats)


def _difference(rng: np.random.Generator, n: int, discordance: float, margin: float, repeats: int) -> Cell:
    """Tango's decision at the margin, for all repeats at once."""
    chances = [(discordance - margin) / 2, (discordance + margin) / 2, 1 - discordance]
    gained, lost, _ = rng.multinomial(n, chances, repeats).T
    distance = (gained - lost) / n + margin
    moments = change_moments(-margin, gained, lost, n)
    above = beyond_chance(distance, n, Z, moments) > 0
    below = beyond_chance(-distance, n, Z, moments.mirrored()) > 0
    name = f"binary.n={n}.discordance={discordance}.margin={margin:g}"
    return Cell(name, float(above.mean()), float(below.mean()), repeats)


def _clustered_difference(
    rng: np.random.Generator, groups: int, size: int, discordance: float, margin: float, repeats: int
) -> Cell:
    labels = np.repeat(np.arange(groups), size)
    gain, loss = (discordance - margin) / 2, (discordance + margin) / 2

    def interval(change: FloatArray) -> Interval:
        base = np.where(change < 0, 1.0, 0.0)
        return paired_binary_difference(base, base + change, clusters=labels)

    name = f"binary.n={groups * size}.discordance={discordance}.margin={margin:g}.clusters={groups}"
    return _measured(rng, name, lambda rng: _changes(rng, groups, size, gain, loss), interval, -margin, repeats)


def _mean(rng: np.random.Generator, name: str, draw: Draw, truth: float, repeats: int) -> Cell:
    return _measured(rng, name, draw, lambda v: paired_mean_difference(np.zeros(v.size), v), truth, repeats)


def _measured(
    rng: np.random.Generator,
    name: str,
    draw: Draw,
    interval: Callable[[FloatArray], Interval],
    truth: float,
    repeats: int,
) -> Cell:
    above = below = 0
    for _ in range(repeats):
        seen = interval(draw(rng))
        above += seen.low > truth
        below += seen.high < truth
    return Cell(name, above / repeats, below / repeats, repeats)


def _changes(rng: np.random.Generator, groups: int, size: int, gain: float, loss: float) -> FloatArray:
    """Items of +1, -1 and 0 whose chances vary from cluster to cluster (Dirichlet), so that they correlate."""
    weight = (1 - CORRELATION) / CORRELATION
    parts = np.maximum(np.array([gain, loss, 1 - gain - loss]) * weight, 1e-12)
    chances = np.repeat(rng.dirichlet(parts, groups), size, axis=0)
    draws = rng.random(groups * size)
    return np.where(draws < chances[:, 0], 1.0, np.where(draws < chances[:, 0] + chances[:, 1], -1.0, 0.0))
