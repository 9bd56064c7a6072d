"""How many items changed their mark, whatever the sum of it."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike

from harness.stats.arrays import Clusters, as_binary, check_paired
from harness.stats.interval import Interval
from harness.stats.proportion import wilson


@dataclass(frozen=True)
class FlipRates:
    """Shares of all items; `changed` is `lost` and `gained` together.

    Attributes:
        lost: right with the base, wrong with the candidate.
        gained: wrong with the base, right with the candidate.
    """

    changed: Interval
    lost: Interval
    gained: Interval


def flip_rates(
    base: ArrayLike, candidate: ArrayLike, *, clusters: Clusters | None = None, confidence: float = 0.95
) -> FlipRates:
    """Flip rates with corrected Wilson intervals.

    Two models of equal accuracy may still disagree on many items: Dutta et al. 2024, "Accuracy is Not All You Need",
    arXiv 2407.09141.

    Args:
        base, candidate: shape (n,), each 0 or 1, paired by position.
        clusters: one label an item; items sharing a label are correlated.

    Raises:
        ValueError: empty, not 0/1, or a length mismatch.
    """
    before, after = as_binary(base, "base"), as_binary(candidate, "candidate")
    check_paired(before, after)
    changed, lost, gained = (
        wilson(which, clusters=clusters, confidence=confidence)
        for which in (before != after, before > after, before < after)
    )
    return FlipRates(changed, lost, gained)
