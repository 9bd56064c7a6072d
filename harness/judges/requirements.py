"""What a judge has to prove on gold pairs: each measure is held against its limit by its interval, as every gate is.

Competence has to be shown: a judge whose interval holds a limit is as little to be trusted as its gold pairs can tell. Two
measures count against a judge only where a fault is shown. Unread replies cost it its trust once more where they happen, on
the candidate's own answers, and are counted there one by one. And the base's win rate over itself is even for whatever
judge, for its two answers are drawn alike: there only a fault of the set-up could show.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from harness.config import Judging
from harness.gates.decision import decide
from harness.records import Estimate, Limit, Outcome
from harness.stats import Interval, minimum_detectable_effect

CHANCE = 0.5
_REACH = 20  # times as many gold pairs as there are: beyond it the measure lies at its limit


@dataclass(frozen=True)
class Requirement:
    """A limit on one measure.

    Attributes:
        limit: on the measure less `centre`.
        seen: the measure in words, a format of its `value` and `n`.
        wanted: the limit in words.
        to_be_shown: whether an interval that holds the limit keeps the judge from being trusted.
    """

    limit: Limit
    seen: str
    wanted: str
    to_be_shown: bool = True
    centre: float = 0.0
    as_share: bool = True

    def find(self, measure: Interval, pairs: int) -> Finding:
        """How the measure, taken on this many pairs, stands to the limit."""
        low, value, high = (end - self.centre for end in (measure.low, measure.value, measure.high))
        outcome = decide(Estimate(value, low, high), self.limit).outcome
        needed = None
        if outcome == "inconclusive" and self.to_be_shown:
            needed = _pairs_needed(measure, self._distance(value), pairs)
        return Finding(outcome, f"{self.say(measure)} ({self.wanted})", self.to_be_shown, needed)

    def say(self, measure: Interval) -> str:
        """The measure with its interval, in words."""
        number = share if self.as_share else "{:.2f}".format
        seen = self.seen.format(value=number(measure.value), n=measure.n)
        return f"{seen}, between {number(measure.low)} and {number(measure.high)}"

    def _distance(self, value: float) -> float:
        return abs(abs(value) - self.limit.value) if self.limit.side == "within" else abs(value - self.limit.value)


@dataclass(frozen=True)
class Finding:
    """How a measure stands to its limit.

    Attributes:
        said: what was seen and what is asked for.
        to_be_shown: as of its requirement.
        pairs_needed: gold pairs that would decide an open one with a power of 80%, were the measure what it seems; None where
            they are beyond reach, or where nothing is open.
    """

    outcome: Outcome
    said: str
    to_be_shown: bool = True
    pairs_needed: int | None = None

    @property
    def is_open(self) -> bool:
        """It keeps the judge from being trusted, though nothing was shown against it."""
        return self.outcome == "inconclusive" and self.to_be_shown


def requirements(limits: Judging) -> Mapping[str, Requirement]:
    """By measure, in the order in which they are told."""
    return {
        "parse_failures": Requirement(
            Limit(limits.parse_failures, "below"),
            "{value} of {n} replies hold no readable verdict",
            f"at most {share(limits.parse_failures)} allowed",
            to_be_shown=False,
        ),
        "accuracy": Requirement(
            Limit(CHANCE, strict=True), "agrees with {value} of {n} gold pairs", f"more than {share(CHANCE)} required"
        ),
        "kappa": Requirement(
            Limit(limits.kappa),
            "agrees with their labels beyond chance by a kappa of {value}",
            f"at least {limits.kappa:g} required",
            as_share=False,
        ),
        "swap_consistency": Requirement(
            Limit(limits.swap_consistency),
            "both orders name one winner in {value} of {n} pairs",
            f"at least {share(limits.swap_consistency)} required",
        ),
        "first_position": Requirement(
            Limit(limits.first_position, "within"),
            "prefers the answer shown first {value} of the time in {n} pairs",
            f"50% give or take {share(limits.first_position)} allowed",
            centre=CHANCE,
        ),
        "base_against_base": Requirement(
            Limit(limits.null_win_rate, "within"),
            "lets the base win {value} of {n} times against itself",
            f"50% give or take {share(limits.null_win_rate)} allowed",
            to_be_shown=False,
            centre=CHANCE,
        ),
    }


def find(measures: Mapping[str, Interval], limits: Judging, pairs: int) -> dict[str, Finding]:
    """How each of the measures stands to its limit."""
    asked = requirements(limits)
    found = {name: one.find(measures[name], pairs) for name, one in asked.items() if name in measures}
    accuracy = measures.get("accuracy")
    if accuracy is not None and accuracy.high <= CHANCE:
        found["accuracy"] = Finding("fail", f"{asked['accuracy'].say(accuracy)}: no better than chance")
        found.pop("kappa", None)
    return found


def share(value: float) -> str:
    """A share in percent."""
    return f"{100 * value:.1f}%"


def _pairs_needed(measure: Interval, distance: float, pairs: int) -> int | None:
    detectable = minimum_detectable_effect(measure)
    if detectable is None or detectable > math.sqrt(_REACH) * distance:
        return None
    needed = pairs * (detectable / distance) ** 2
    rounding: int = 10 ** max(0, len(str(int(needed))) - 2)
    return max(pairs + 1, math.ceil(needed / rounding) * rounding)
