"""The kinds of rules: what each asks of the numbers, and what it says of them. Imported at pytest collection: no numpy.

| rule | asks for | pass | fail |
|---|---|---|---|
| superior by b | a gain | low >= b and low > 0 | high < b |
| non-inferior within m | a gain | low > -m | high < -m |
| at least v | a level | low >= v | high < v |
| at most v | a level | high <= v | low > v |

[low, high] is the two-sided interval of the candidate's gain, signed so that more is better, or of its level. Everything
else is inconclusive: the truth may lie on either side (`harness.gates.decision`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.plugins import Registry
from harness.records import Cause, Limit, Outcome

if TYPE_CHECKING:
    from harness.gates.wording import LevelWording, Wording
    from harness.records import Estimate

    Say = Callable[[Outcome, Estimate, float, Any], str]


@dataclass(frozen=True)
class RuleKind:
    """A kind of rule.

    Attributes:
        name: as in `gates:` of assay.yaml, in the gate's name and in its verdict.
        paired: whether it asks for a gain over the base, else for a level of the candidate.
        argument: what its threshold is called in Python.
        limit: threshold -> where the gain or level has to lie.
        words: threshold -> the rule in words.
        say: what was found and how that stands to the threshold, where it passes, fails or is inconclusive, in the words
            of a `Wording`; of a level in those of a `LevelWording`.
        remedy: what to do about a failure, where the gate names nothing closer to its cause.
        minimum, exclusive_minimum: the least threshold that makes sense, and what it has to be above.
        wants: what to give where it does not.
        needs_room: whether it shows nothing over a base that has less to lose than is allowed.
    """

    name: str
    paired: bool
    argument: str
    limit: Callable[[float], Limit]
    words: Callable[[float], str]
    say: Say
    remedy: str
    minimum: float | None = None
    exclusive_minimum: float | None = None
    wants: str = ""
    needs_room: bool = False

    def allows(self, threshold: float) -> bool:
        """Whether a threshold makes sense."""
        reaches = self.minimum is None or threshold >= self.minimum
        return reaches and (self.exclusive_minimum is None or threshold > self.exclusive_minimum)


NEEDS_ITEMS = "measure more items (a larger profile or limit)"
UNUSABLE_SCORES = (
    "look at these items in the run's samples: weights that overflow (train and load in bfloat16 or float32) or a scorer "
    "of one's own gives such scores"
)
_NEEDS_ROOM = "gate on a metric with room to fall, or a stronger base"


def needs(because: tuple[Cause, ...]) -> str:
    """What to do about an inconclusive rule."""
    return _NEEDS_ROOM if "at_floor" in because else NEEDS_ITEMS


def _superior(outcome: Outcome, gain: Estimate, by: float, wording: Wording) -> str:
    seen = wording.change(gain)
    required = f"the {wording.amount(by)} required"
    match outcome:
        case "pass":
            return f"{seen}, more than {required}" if by else seen
        case "fail":
            return f"{seen}, less than {required}" if by else f"{seen}, where an improvement is required"
        case _:
            return f"{seen}, " + (f"which may be more or less than {required}" if by else "so it may be no better")


def _non_inferior(outcome: Outcome, gain: Estimate, margin: float, wording: Wording) -> str:
    seen, allowed = wording.change(gain), f"the {wording.amount(margin)} allowed"
    match outcome:
        case "pass" if gain.ends[0] < 0:
            worst = f"at worst {wording.worse} {wording.amount(gain.ends[0])}"
            return f"{wording.moved(gain.value)}, {worst}, within {allowed}"
        case "pass":
            return f"{seen}, so nothing was lost"
        case "fail":
            return f"{seen}, more than {allowed}"
        case _:
            return f"{seen}, so a loss of more than {allowed} cannot be ruled out"


def say_level(asked: str) -> Say:
    """The words of a kind that asks for a level, where `asked` comes before the bound ("at least")."""

    def say(outcome: Outcome, level: Estimate, bound: float, wording: LevelWording) -> str:
        seen, wanted = wording.level(level), f"{asked} {wording.bound(bound)}"
        match outcome:
            case "pass":
                return f"{seen}, {wanted} as required"
            case "fail":
                return f"{seen}, but {wanted} is required"
            case _:
                return f"{seen}, which may or may not be {wanted}"

    return say


SHIPPED = (
    RuleKind(
        "superior",
        paired=True,
        argument="by",
        limit=lambda by: Limit(by, strict=by == 0),
        words=lambda by: f"superior by {by:g}" if by else "superior",
        say=_superior,
        remedy="too little was learnt: look at the wrong answers and the weakest slices in the report; add training "
        "rows of their kind, check that they are asked as these items are, train longer or raise r",
        minimum=0,
        wants="give the least gain as a number of 0 or more",
    ),
    RuleKind(
        "non_inferior",
        paired=True,
        argument="margin",
        limit=lambda margin: Limit(-margin, strict=True),
        words=lambda margin: f"non-inferior within {margin:g}",
        say=_non_inferior,
        remedy="look at the slice named and the worst items in the report; train with rehearsal rows of that kind, a "
        "lower learning rate or fewer steps",
        exclusive_minimum=0,
        wants="give the largest tolerable loss as a number above 0; for none at all use superior",
        needs_room=True,
    ),
    RuleKind(
        "at_least",
        paired=False,
        argument="value",
        limit=lambda bound: Limit(bound, "above"),
        words=lambda bound: f"at least {bound:g}",
        say=say_level("at least"),
        remedy="look at the weakest slices and items in the report; add training rows of their kind, or train longer",
    ),
    RuleKind(
        "at_most",
        paired=False,
        argument="value",
        limit=lambda bound: Limit(bound, "below"),
        words=lambda bound: f"at most {bound:g}",
        say=say_level("at most"),
        remedy="look at the worst slices and items in the report; lower the learning rate, train fewer steps, or add "
        "training rows of their kind",
    ),
)

KINDS: Registry[RuleKind] = Registry("register_gate_rules", "gate rule")
"""Every kind of rule, by its name."""
