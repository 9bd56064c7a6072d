"""Verdicts of schema 1, which told in words alone what is data since. No other module reads a verdict's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from harness.records import Cause, Limit
from harness.runs.codec import number

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


def upgraded(row: Mapping[str, Any]) -> dict[str, Any]:
    """A verdict as schema 2 has it."""
    rule, test = row.get("rule", ""), row.get("test", "")
    kind = next((kind for start, kind in _KINDS.items() if rule.startswith(start)), "")
    limit = _limit(kind, number(row.get("margin")), row.get("higher_is_better", True))
    return {
        # before `against` was kept, the suite's name was all that told a verdict against the baseline adapter
        "against": "a baseline" if row.get("suite") == "baseline" else "",
        **row,
        "name": row["gate"].removesuffix(f" ({test.rpartition('::')[2]})").removesuffix(f" ({test})"),
        "kind": kind,
        "paired": kind in ("superior", "non_inferior"),
        "limit": None if limit is None else asdict(limit),
        "open_because": _causes(kind, row) if row["outcome"] == "inconclusive" else [],
        "population": row.get("details", {}).get("sequential", {}).get("of"),
    }


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


def _causes(kind: str, row: Mapping[str, Any]) -> list[Cause]:
    if kind in ("not_worse", "fit"):
        return ["obstacle"]
    told = [cause for words, cause in _CAUSES.items() if words in row["reason"]]
    return told or (["interval"] if row.get("estimate") else [])
