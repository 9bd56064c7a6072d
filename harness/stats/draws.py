"""What several draws of one answer say of further ones: the best and the worst of k, and how often two agree."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence


def expected_best(values: Sequence[float], k: int) -> float:
    """The largest of k draws, expected: the mean over all subsets of k of the n values that were drawn.

    Unbiased, as every mean over subsets is (Hoeffding 1948, Annals of Mathematical Statistics 19(3), 293-325). Of c ones and
    n - c zeros it is pass@k, 1 - C(n - c, k) / C(n, k) (Chen et al. 2021, arXiv 2107.03374, equation 1).

    Args:
        values: n draws of one item's score, in any order.
        k: from 1 to n.

    Raises:
        ValueError: k is another number.
    """
    n = len(values)
    _check(k, n)
    # that of rank i is the largest of a subset whose other k - 1 lie below it
    ranked = enumerate(sorted(values))
    return sum(math.comb(i, k - 1) * value for i, value in ranked) / math.comb(n, k)


def expected_worst(values: Sequence[float], k: int) -> float:
    """The smallest of k draws, expected, as `expected_best`. Of c ones it is pass^k, C(c, k) / C(n, k), the chance that
    k answers in a row are right (Yao et al. 2024, arXiv 2406.12045, section 3)."""
    return 0.0 - expected_best([-value for value in values], k)


def expected_agreement(labels: Sequence[Hashable]) -> float:
    """The share of pairs of draws that are equal: unbiased for the chance that two further ones are (Simpson 1949,
    Nature 163, 688).

    Raises:
        ValueError: there are fewer than two.
    """
    n = len(labels)
    _check(2, n)
    return sum(math.comb(count, 2) for count in Counter(labels).values()) / math.comb(n, 2)


def _check(k: int, n: int) -> None:
    if not 1 <= k <= n:
        raise ValueError(f"{k} of {n} draws are none: give a number from 1 to {n}")
