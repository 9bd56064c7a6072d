"""The rules that a gate under `gates:` of assay.yaml may name. Imported at pytest collection: no numpy, no scipy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.plugins import Registry

if TYPE_CHECKING:
    from harness.gates.gateable import Gateable
    from harness.gates.measurement import Measurement


@dataclass(frozen=True)
class RuleKind:
    """A rule over one metric of a task's samples.

    Attributes:
        name: the key that gives its threshold, as in `{metric: acc, at_least: 0.8}`.
        make: (measurement, threshold) -> what decides the gate.
        accepts: whether a threshold makes sense.
        wanted: what one that does not is to be replaced by, for messages.
        relative: the threshold may be a share of the base's value, as "5%".
    """

    name: str
    make: Callable[[Measurement, float], Gateable]
    accepts: Callable[[float], bool] = lambda threshold: True
    wanted: str = "a number"
    relative: bool = False


RULE_KINDS: Registry[RuleKind] = Registry("register_gate_rules", "gate rule")


_GAIN, _LOSS = "the least gain as a number of 0 or more", "the largest tolerable loss as a number above 0"
SHIPPED = (
    RuleKind("superior", lambda measured, by: measured.superior(by), lambda by: by >= 0, _GAIN, relative=True),
    RuleKind("non_inferior", lambda measured, by: measured.non_inferior(by), lambda by: by > 0, _LOSS, relative=True),
    RuleKind("at_least", lambda measured, bound: measured.at_least(bound)),
    RuleKind("at_most", lambda measured, bound: measured.at_most(bound)),
)
