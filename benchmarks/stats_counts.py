"""Error rates of shares and paired differences of independent items, summed over all counts: nothing is simulated."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.stats_cell import ALPHA, Cell, Peer
from benchmarks.stats_exact import Counts, Rejected, clopper_pearson, losses_alone, mcnemar, unconditional
from harness.stats.paired_binary import change_moments
from harness.stats.score import beyond_chance, share_moments

SIZES = (30, 100, 300, 1000, 5000)
SHARES = (0.02, 0.1, 0.5, 0.9, 0.98)
DISCORDANCES = (0.02, 0.05, 0.1, 0.2, 0.4)
LARGEST_UNCONDITIONAL = 1000
Z = float(stats.norm.ppf(1 - ALPHA))
# Counts beyond these tails are left out of the sums.
TAIL = 1e-13


def share_cells() -> Iterator[Cell]:
    """Shares near 0 and 1 and between."""
    for n in SIZES:
        for share in SHARES:
            yield _share(n, share)


def pair_cells() -> Iterator[Cell]:
    """Paired differences at a margin of none, half and all of the discordance; all: nothing is gained."""
    for n in SIZES:
        for discordance in DISCORDANCES:
            for part in (0.0, 0.5, 1.0):
                yield _pairs(n, discordance, part * discordance)


def _share(n: int, share: float) -> Cell:
    """Wilson's decision at the truth; his bounds are where it turns."""
    count = np.arange(n + 1)
    chance = stats.binom.pmf(count, n, share)
    moments = share_moments(share)
    distance = count / n - share
    ours = beyond_chance(distance, n, Z, moments) > 0, beyond_chance(-distance, n, Z, moments.mirrored()) > 0
    peer = _peer("Clopper-Pearson", chance, clopper_pearson(count, n, share))
    return Cell(f"share.n={n}.mean={share}", *_errs(chance, ours), peers=(peer,))


def _pairs(n: int, discordance: float, margin: float) -> Cell:
    """Tango's decision at the margin."""
    gain, loss = (discordance - margin) / 2, (discordance + margin) / 2
    gained, lost = (axis.ravel() for axis in np.meshgrid(_likely(n, gain), _likely(n, loss)))
    gained, lost = gained[gained + lost <= n], lost[gained + lost <= n]
    counts = np.stack([gained, lost, n - gained - lost], axis=-1)
    chance = stats.multinomial.pmf(counts, n, [gain, loss, 1 - discordance])
    moments = change_moments(-margin, gained, lost, n)
    distance = (gained - lost) / n + margin
    ours = beyond_chance(distance, n, Z, moments) > 0, beyond_chance(-distance, n, Z, moments.mirrored()) > 0
    peers = []
    if margin == 0:
        peers.append(_peer("exact McNemar", chance, mcnemar(gained, lost)))
    elif gain == 0:
        peers.append(_peer("binomial of the losses", chance, losses_alone(lost, n, margin)))
    if n <= LARGEST_UNCONDITIONAL:
        peers.append(_peer("exact unconditional", chance, unconditional(gained, lost, n, margin)))
    name = f"binary.n={n}.discordance={discordance}.margin={margin:g}"
    return Cell(name, *_errs(chance, ours), peers=tuple(peers))


def _likely(n: int, share: float) -> Counts:
    """All counts but those in the tails."""
    if share == 0:
        return np.zeros(1, dtype=np.int64)
    return np.arange(int(stats.binom.ppf(TAIL, n, share)), int(stats.binom.isf(TAIL, n, share)) + 1)


def _peer(test: str, chance: NDArray[np.float64], rejected: Rejected) -> Peer:
    return Peer(test, *_errs(chance, rejected))


def _errs(chance: NDArray[np.float64], rejected: Rejected) -> tuple[float, float]:
    """Chance of all outcomes on which the truth is taken to lie above, and below."""
    above, below = rejected
    return float(chance[above].sum()), float(chance[below].sum())
