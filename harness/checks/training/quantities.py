"""What a method logs beside its loss, as numbers: enough of them, and means of where they begin and end."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from harness.training.history import TrainingHistory
from harness.training.methods import Quantity

LEAST_VALUES = 5
"""Logged values below which a quantity says nothing of how it went."""

NOISE_ERRORS = 3.0
"""Standard errors up to which a difference is chance."""

_PART = 4


def values_of(history: TrainingHistory, name: Quantity, *, above: float = -math.inf) -> list[float] | None:
    """The values of a quantity up to the kept weights; None where too few were logged."""
    values = [value for _, value in history.quantity(name) if value > above]
    return values if len(values) >= LEAST_VALUES else None


def quarter(values: Sequence[float]) -> int:
    """How many values a mean is taken of: a quarter, two or more."""
    return max(2, len(values) // _PART)


def first_mean(values: Sequence[float]) -> float:
    """Mean of the first quarter."""
    return statistics.fmean(values[: quarter(values)])


def last_mean(values: Sequence[float]) -> float:
    """Mean of the last quarter."""
    return statistics.fmean(values[-quarter(values) :])


def shown(history: TrainingHistory, **found: float) -> Mapping[str, Any]:
    """Details for the report."""
    return {"method": history.method.name, "read_from": history.source, **found}
