"""One cell of the statistics benchmark: how often an interval errs on each side, and how that stands to nominal."""

from __future__ import annotations

import math
from dataclasses import dataclass

ALPHA = 0.025
# An enumerated rate has no Monte-Carlo error; it may fall short of another by that of so many repeats.
ENUMERATED = 20_000
ROUNDING = 1e-9
STANDINGS = ("ok", "exact", "less", "at_most", "MORE")


@dataclass(frozen=True)
class Peer:
    """How often an exact test errs on each side, enumerated in the same cell."""

    test: str
    above: float
    below: float


@dataclass(frozen=True)
class Cell:
    """Chances that a 95% interval lies wholly above, and wholly below, the truth.

    Attributes:
        repeats: simulated measurements; None where the chances were summed over all outcomes.
        peers: exact tests of the same question; the first is the one that ours is held against.
    """

    name: str
    above: float
    below: float
    repeats: int | None = None
    peers: tuple[Peer, ...] = ()


@dataclass(frozen=True)
class Figure:
    """One error rate, beside its nominal value and those of exact tests.

    Attributes:
        peers: name and rate of each exact test.
        stops: the items are watched as they come; such a test promises at most nominal, and stays below.
    """

    name: str
    rate: float
    nominal: float
    repeats: int | None
    peers: tuple[tuple[str, float], ...] = ()
    stops: bool = False

    @property
    def standing(self) -> str:
        """One of `STANDINGS`; an enumerated rate is `MORE` by any excess, a simulated one beyond three errors."""
        if self.rate > self.nominal + (ROUNDING if self.repeats is None else self._error(self.nominal)):
            return "MORE"
        if self.stops:
            return "at_most"
        if self._reaches(self.nominal):
            return "ok"
        return "exact" if self.peers and self._reaches(self.peers[0][1]) else "less"

    def _reaches(self, rate: float) -> bool:
        return self.rate >= rate - self._error(rate) - ROUNDING

    def _error(self, rate: float) -> float:
        """Three Monte-Carlo standard errors."""
        return 3.0 * math.sqrt(rate * (1 - rate) / (self.repeats or ENUMERATED))

    def __str__(self) -> str:
        how = "enumerated" if self.repeats is None else f"{self.repeats} repeats"
        beside = ", ".join(f"{test} {rate:.4f}" for test, rate in self.peers)
        against = f"nominal {self.nominal:g}, {how}" + (f"; {beside}" if beside else "")
        return f"{self.name}={self.rate:.4f} {self.standing} ({against})"


def missed(prefix: str, cell: Cell) -> Figure:
    """How often the interval holds the truth on neither side."""
    peers = tuple((peer.test, peer.above + peer.below) for peer in cell.peers)
    return Figure(f"{prefix}.{cell.name}.missed", cell.above + cell.below, 2 * ALPHA, cell.repeats, peers)


def sides(prefix: str, cell: Cell, *, stops: bool = False) -> tuple[Figure, Figure]:
    """Wrong passes and wrong fails of a gate whose truth lies at the margin."""
    above = tuple((peer.test, peer.above) for peer in cell.peers)
    below = tuple((peer.test, peer.below) for peer in cell.peers)
    return (
        Figure(f"{prefix}.{cell.name}.wrong_pass", cell.above, ALPHA, cell.repeats, above, stops),
        Figure(f"{prefix}.{cell.name}.wrong_fail", cell.below, ALPHA, cell.repeats, below, stops),
    )
