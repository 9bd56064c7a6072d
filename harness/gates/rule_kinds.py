"""The rules that a gate under `gates:` of assay.yaml may name. Imported at pytest collection: no numpy, no scipy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import methodcaller
from typing import TYPE_CHECKING

from harness.hookspecs import Register, hookimpl
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


@hookimpl
def register_gate_rules(register: Register) -> None:
    """Two that compare with the base, and two on the candidate's own level."""

    def put(name: str) -> Callable[[Measurement, float], Gateable]:
        return lambda measurement, threshold: methodcaller(name, threshold)(measurement)

    gain, loss = "the least gain as a number of 0 or more", "the largest tolerable loss as a number above 0"
    register(RuleKind("superior", put("superior"), lambda by: by >= 0, gain, relative=True))
    register(RuleKind("non_inferior", put("non_inferior"), lambda margin: margin > 0, loss, relative=True))
    register(RuleKind("at_least", put("at_least")))
    register(RuleKind("at_most", put("at_most")))
