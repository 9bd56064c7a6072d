"""Checks on what comes in; every other module of the package may then assume clean arrays."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Clusters = Sequence[Hashable] | NDArray[np.generic]


def as_floats(values: ArrayLike, name: str = "values") -> FloatArray:
    """A non-empty one-dimensional float64 array of finite numbers.

    Raises:
        ValueError: empty, more than one dimension, NaN or infinite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, got shape {array.shape}")
    if array.size == 0:
        raise ValueError(f"{name} is empty")
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise ValueError(f"{name}[{bad[0]}] is {array[bad[0]]}: every value must be finite")
    return array


def as_binary(values: ArrayLike, name: str = "values") -> FloatArray:
    """As `as_floats`, and every value is 0 or 1.

    Raises:
        ValueError: as `as_floats`, or a value other than 0 and 1.
    """
    array = as_floats(values, name)
    bad = np.flatnonzero((array != 0.0) & (array != 1.0))
    if bad.size:
        raise ValueError(f"{name}[{bad[0]}] is {array[bad[0]]}: a binary score must be 0 or 1")
    return array


def as_shares(values: ArrayLike, name: str) -> FloatArray:
    """As `as_floats`, and every value lies between 0 and 1.

    Raises:
        ValueError: as `as_floats`, or a value outside [0, 1].
    """
    array = as_floats(values, name)
    outside = np.flatnonzero((array < 0) | (array > 1))
    if outside.size:
        raise ValueError(f"{name}[{outside[0]}] is {array[outside[0]]}: it must lie between 0 and 1")
    return array


def check_paired(base: FloatArray, candidate: FloatArray) -> None:
    """Raises ValueError unless both sides have the same length."""
    if base.size != candidate.size:
        raise ValueError(f"base has {base.size} values, candidate has {candidate.size}: they must be paired")


def cluster_codes(clusters: Clusters | None, n: int) -> IntArray:
    """Cluster of each of `n` items as an integer 0..G-1; without clusters each item is its own.

    Raises:
        ValueError: the number of labels is not `n`.
    """
    if clusters is None:
        return np.arange(n, dtype=np.int64)
    if len(clusters) != n:
        raise ValueError(f"clusters has {len(clusters)} labels for {n} values")
    seen: dict[Hashable, int] = {}
    return np.array([seen.setdefault(label, len(seen)) for label in clusters], dtype=np.int64)


def check_confidence(confidence: float) -> None:
    """Raises ValueError unless 0 < confidence < 1."""
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence is {confidence}: it must lie between 0 and 1, as in 0.95")
