"""What to do about a rule that did not pass, where the gate names nothing closer to its cause."""

from __future__ import annotations

from collections.abc import Mapping

from harness.gates.config import Kind
from harness.runs.schema import Outcome

NEEDS_ITEMS = "measure more items (a larger profile or limit)"
UNUSABLE_SCORES = (
    "look at these items in the run's samples: weights that overflow (train and load in bfloat16 or float32) or a scorer "
    "of one's own gives such scores"
)
_NEEDS_ROOM = "gate on a metric with room to fall, or a stronger base"
_IF_FAILED: Mapping[Kind, str] = {
    "superior": "too little was learnt: look at the wrong answers and the weakest slices in the report; add training rows "
    "of their kind, check that they are asked as these items are, train longer or raise r",
    "non_inferior": "look at the slice named and the worst items in the report; train with rehearsal rows of that kind, a "
    "lower learning rate or fewer steps",
    "at_least": "look at the weakest slices and items in the report; add training rows of their kind, or train longer",
    "at_most": "look at the worst slices and items in the report; lower the learning rate, train fewer steps, or add "
    "training rows of their kind",
}


def remedy_for(kind: Kind, outcome: Outcome, reason: str) -> str:
    """The general remedy; empty where the rule passed."""
    if outcome == "fail":
        return _IF_FAILED[kind]
    if outcome != "inconclusive":
        return ""
    return _NEEDS_ROOM if reason.startswith("at floor") else NEEDS_ITEMS
