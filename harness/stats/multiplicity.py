"""p-values corrected for how many were looked at, by statsmodels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from statsmodels.stats.multitest import multipletests

from harness.stats.arrays import FloatArray, as_shares


def benjamini_hochberg(p_values: ArrayLike) -> FloatArray:
    """Adjusted p-values that bound the expected share of false alarms among the alarms.

    For independent or positively dependent tests. Benjamini & Hochberg 1995, JRSS B 57(1), 289-300.

    Args:
        p_values: shape (n,), each in [0, 1].

    Returns:
        Shape (n,), in the same order.

    Raises:
        ValueError: empty, NaN or outside [0, 1].
    """
    return np.asarray(multipletests(as_shares(p_values, "p_values"), method="fdr_bh")[1], dtype=np.float64)


def tarone(smallest: ArrayLike, alpha: float) -> float:
    """The level at which each of several discrete tests is to be held, that all of them together err in at most `alpha`.

    A test whose smallest possible p-value is above that level can never reject, so it need not be paid for: alpha / k for the
    least k such that at most k tests can reach alpha / k. Tarone 1990, "A modified Bonferroni method for discrete data",
    Biometrics 46(2), 515-522.

    Args:
        smallest: shape (n,), the smallest p-value each test can have; in [0, 1].
        alpha: of all tests together, in (0, 1).

    Raises:
        ValueError: empty, NaN or outside [0, 1].
    """
    least = as_shares(smallest, "smallest")
    return next(alpha / k for k in range(1, least.size + 1) if (least <= alpha / k).sum() <= k)
