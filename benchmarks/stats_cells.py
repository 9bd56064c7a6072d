"""Measurements with a known truth, and how often an interval lies wholly on one side of it: simulated where counts do
not say it all, that is for clustered items and for means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.stats_cell import Cell
from benchmarks.stats_counts import SIZES, pair_cells, share_cells
from harness.stats import Interval, mean_interval, paired_binary_difference, paired_mean_difference, wilson

FloatArray = NDArray[np.float64]
Draw = Callable[[np.random.Generator], FloatArray]

CLUSTERED = ((15, 2), (10, 10), (30, 10), (57, 20), (300, 5), (500, 10))  # (clusters, items in each)
CORRELATION = 0.2


def coverage_cells(repeats: int) -> Iterator[Cell]:
    """Levels near 0 and 1 and between, and means of bounded scores near 0 and 1, clustered and not."""
    yield from share_cells()
    rng = np.random.default_rng(1)
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
    yield from pair_cells()
    rng = np.random.default_rng(2)
    for groups, size in CLUSTERED:
        for discordance in (0.02, 0.1, 0.4):
            yield _clustered_difference(rng, groups, size, discordance, discordance / 2, repeats)
    for n in SIZES:
        yield _mean(rng, f"mean.n={n}.normal", lambda rng, n=n: rng.normal(size=n), 0.0, repeats)
        yield _mean(rng, f"mean.n={n}.exponential", lambda rng, n=n: -rng.exponential(size=n), -1.0, repeats)
        for changed in (0.02, 0.1, 0.4):
            kind = "rare" if n * changed < 10 else "sparse"
            yield _mean(
                rng,
                f"mean.n={n}.{kind}={changed}",
                lambda rng, n=n, changed=changed: np.where(rng.random(n) < changed, -rng.random(n), 0.0),
                -changed / 2,
                repeats,
            )
        for changed in (0.1, 0.2, 0.4):
            kind = "rare" if n * changed < 10 else "mixed"
            yield _mean(
                rng,
                f"mean.n={n}.{kind}={changed}.gained=0.25",
                lambda rng, n=n, changed=changed: _mixed(rng, n, changed),
                -changed / 4,
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


def _mixed(rng: np.random.Generator, n: int, changed: float) -> FloatArray:
    """Changes of up to 1, a quarter of them gains."""
    gained = rng.random(n) < 0.25
    return np.where(rng.random(n) < changed, np.where(gained, 1.0, -1.0) * rng.random(n), 0.0)


def _changes(rng: np.random.Generator, groups: int, size: int, gain: float, loss: float) -> FloatArray:
    """Items of +1, -1 and 0 whose chances vary from cluster to cluster (Dirichlet), so that they correlate."""
    weight = (1 - CORRELATION) / CORRELATION
    parts = np.maximum(np.array([gain, loss, 1 - gain - loss]) * weight, 1e-12)
    chances = np.repeat(rng.dirichlet(parts, groups), size, axis=0)
    draws = rng.random(groups * size)
    return np.where(draws < chances[:, 0], 1.0, np.where(draws < chances[:, 0] + chances[:, 1], -1.0, 0.0))
