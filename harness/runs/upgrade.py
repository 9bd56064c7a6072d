"""Verdicts of schema 1, which told in words alone what is data since. No other module reads a verdict's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.errors import show
from harness.records import Cause, Limit, Verdict

_KINDS = {
    "superior": "superior",
    "non-inferior": "non_inferior",
    "at least": "at_least",
    "at most": "at_most",
    "holds": "holds",
    "not worse": "not_worse",
    "better than chance": "fit",
    "is measured": "is_measured",
    "assertion": "assertion",
    "could not be measured": "assertion",
}
"""How a rule began -> its kind."""
_CAUSES: Mapping[str, Cause] = {
    "decision needs at least": "too_few",
    "at floor: ": "at_floor",
    "too few items differ": "sparse",
    "no readable verdict on": "unreadable",
}
"""What a reason held -> what it meant, in an inconclusive verdict."""


def upgraded(row: Mapping[str, Any]) -> Verdict:
    """A stored verdict as schema 2 has it.

    Raises:
        ValueError: the row is no verdict; the field and the value seen are named.
    """
    old = Verdict.from_json(row)
    kind = next((kind for start, kind in _KINDS.items() if old.rule.startswith(start)), "")
    return replace(
        old,
        # before `against` was kept, the suite's name was all that told a verdict against the baseline adapter
        against="a baseline" if old.suite == "baseline" and "against" not in row else old.against,
        name=old.gate.removesuffix(f" ({old.test.rpartition('::')[2]})").removesuffix(f" ({old.test})"),
        kind=kind,
        paired=kind in ("superior", "non_inferior"),
        limit=_limit(kind, old.margin, old.higher_is_better),
        open_because=_causes(kind, old) if old.outcome == "inconclusive" else (),
        population=_population(old.details),
    )


def _population(details: Mapping[str, Any]) -> int | None:
    match details.get("sequential"):
        case None:
            return None
        case {"of": int(population)}:
            return population
        case other:
            raise ValueError(f"details.sequential is {show(other)}: it should hold the items there are, `of`")


def _limit(kind: str, margin: float | None, higher_is_better: bool) -> Limit | None:
    if margin is None:
        return None
    match kind:
        case "superior":
            return Limit(margin, "above", strict=margin == 0).of_metric(higher_is_better)
        case "non_inferior":
            return Limit(-margin, "above", strict=True).of_metric(higher_is_better)
        case "at_most":
            return Limit(margin, "below")
        case "at_least":
            return Limit(margin, "above")
        case _:
            return None


def _causes(kind: str, old: Verdict) -> tuple[Cause, ...]:
    if kind in ("not_worse", "fit"):
        return ("obstacle",)
    told = tuple(cause for words, cause in _CAUSES.items() if words in old.reason)
    return told or (("interval",) if old.estimate else ())
