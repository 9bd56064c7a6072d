"""One metric measured on a task, and the rules that may be put to it."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import ConfigError
from harness.gates.evidence import Evidence
from harness.gates.kinds import KINDS
from harness.gates.rules import Rule


@dataclass(frozen=True, eq=False)
class Measurement(Evidence):
    """Evidence on one metric that rules are put to."""

    def superior(self, by: float = 0.0, *, remedy: str = "") -> Rule:
        """The candidate is better than the base by at least `by` (0 or more); `remedy` is told where it is not."""
        return self.rule("superior", by, remedy=remedy)

    def non_inferior(self, margin: float, *, remedy: str = "") -> Rule:
        """The candidate is worse than the base by less than `margin` (above 0)."""
        return self.rule("non_inferior", margin, remedy=remedy)

    def at_least(self, value: float, *, remedy: str = "") -> Rule:
        """The candidate's metric is `value` or more."""
        return self.rule("at_least", value, remedy=remedy)

    def at_most(self, value: float, *, remedy: str = "") -> Rule:
        """The candidate's metric is `value` or less."""
        return self.rule("at_most", value, remedy=remedy)

    def rule(self, kind: str, threshold: float, *, remedy: str = "") -> Rule:
        """A rule of any kind (`harness.gates.kinds.KINDS`).

        Raises:
            ConfigError: the threshold makes no sense, or the rule compares and there is no base, or none to compare by.
        """
        asked = KINDS.get(kind)
        if not asked.allows(threshold):
            raise ConfigError(f"{self.label}: {kind}({asked.argument}={threshold})", asked.wants)
        if asked.paired and self.base is None:
            raise self.no_base()
        if asked.paired and self.metric.gate_instead is not None:
            raise ConfigError(
                f"{self.label}: chance moves it more for one model than for the other, and a gate would err too often",
                f"gate {self.metric.gate_instead}; {self.metric.name} is there to be read",
            )
        return Rule(kind, self, threshold, remedy)
