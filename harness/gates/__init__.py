"""Gates: a metric plus a rule plus a margin, decided three ways.

Names load on first use: `harness.gates.config` is imported at pytest collection and must not bring numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.gates.check import Check, Gateable
    from harness.gates.comparison import Comparison, Evaluation, PairingError
    from harness.gates.config import GateSpec, gates_from_config
    from harness.gates.measurement import Measurement
    from harness.gates.rules import Rule
    from harness.gates.scalar import BoundRule, Scalar

_HOME = {
    "BoundRule": "scalar",
    "Check": "check",
    "Comparison": "comparison",
    "Evaluation": "comparison",
    "GateSpec": "config",
    "Gateable": "gateable",
    "Measurement": "measurement",
    "PairingError": "comparison",
    "Rule": "rules",
    "Scalar": "scalar",
    "gates_from_config": "config",
}

__all__ = [
    "BoundRule",
    "Check",
    "Comparison",
    "Evaluation",
    "GateSpec",
    "Gateable",
    "Measurement",
    "PairingError",
    "Rule",
    "Scalar",
    "gates_from_config",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
