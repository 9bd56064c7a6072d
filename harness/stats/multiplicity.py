"""p-values corrected for how many were looked at, by statsmodels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from statsmodels.stats.multitest import multipletests

from harness.stats.arrays import FloatArray, as_floats


def holm(p_values: ArrayLike) -> FloatArray:
    """Adjusted p-values that bound the chance of even one false alarm, whatever their dependence.

    Holm 1979, Scandinavian Journal of Statistics 6, 65-70.

    Args:
        p_values: shape (n,), each in [0, 1].

    Returns:
        Shape (n,), in the same order.

    Raises:
        ValueError: empty, NaN or outside [0, 1].
    """
    return _adjusted(p_values, "holm")


def benjamini_hochberg(p_values: ArrayLike) -> FloatArray:
    """Adjusted p-values that bound the expected share of false alarms among the alarms; as `holm`.

    For independent or positively dependent tests. Benjamini & Hochberg 1995, JRSS B 57(1), 289-300.
    """
    return _adjusted(p_values, "fdr_bh")


def _adjusted(p_values: ArrayLike, method: str) -> FloatArray:
    values = as_floats(p_values, "p_values")
    outside = np.flatnonzero((values < 0) | (values > 1))
    if outside.size:
        raise ValueError(f"p_values[{outside[0]}] is {values[outside[0]]}: it must lie between 0 and 1")
    return np.asarray(multipletests(values, method=method)[1], dtype=np.float64)
