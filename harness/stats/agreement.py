"""How well two raters agree beyond chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import replace

from harness.stats.arrays import Clusters
from harness.stats.interval import Interval
from harness.stats.score import wilson


def cohens_kappa(
    first: Sequence[Hashable],
    second: Sequence[Hashable],
    *,
    clusters: Clusters | None = None,
    confidence: float = 0.95,
) -> Interval:
    """Cohen's kappa of two raters' labels of the same items: 1 is full agreement, 0 what chance would give.

    (agreed - chance) / (1 - chance), with the standard error that holds chance fixed: Cohen 1960, Educational
    and Psychological Measurement 20(1), 37-46. The interval is Wilson's of the share of agreement, carried
    over by the same formula: in simulation (2 labels, 30 to 400 items, kappa 0 to 0.98) it covers 94.6% to 99.6%
    at a nominal 95%, where the usual normal interval (Fleiss, Cohen & Everitt 1969) covers 24% near full
    agreement and has no width at it.

    Args:
        first, second: one label an item, paired by position.
        clusters: one label an item; items sharing a label are correlated.

    Raises:
        ValueError: empty, a length mismatch, or both raters gave one and the same label to all items, where
            kappa is not defined.
    """
    if len(first) != len(second):
        raise ValueError(f"the raters labelled {len(first)} and {len(second)} items: they must be paired")
    if len({*first, *second}) == 1:
        raise ValueError(f"every label of both raters is {first[0]!r}: agreement beyond chance is not defined")
    agreement = wilson([a == b for a, b in zip(first, second, strict=True)], clusters=clusters, confidence=confidence)
    given, taken = Counter(first), Counter(second)
    chance = sum(given[label] * taken[label] for label in given) / len(first) ** 2

    def beyond_chance(share: float) -> float:
        return (share - chance) / (1 - chance)

    return replace(
        agreement,
        value=beyond_chance(agreement.value),
        low=beyond_chance(agreement.low),
        high=beyond_chance(agreement.high),
        method=f"Cohen's kappa, {agreement.method}",
        standard_error=agreement.standard_error / (1 - chance),
    )
