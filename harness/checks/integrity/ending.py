"""The gate on answers that end by themselves."""

from __future__ import annotations

from harness.checks.ending import ending_remedy
from harness.gates import Comparison, Rule
from harness.metrics.base import STOPS


def answers_end(compared: Comparison, least: float) -> Rule:
    """Answers end by themselves, by EOS or the task's stop text, and not at their cap."""
    return compared.metric(STOPS).at_least(least, remedy=ending_remedy(compared))
