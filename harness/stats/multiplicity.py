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
