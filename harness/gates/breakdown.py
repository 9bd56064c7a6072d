"""A paired rule whose verdict also says where the change comes from: which items flipped, which slices moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.gates.measurement import Measurement
from harness.gates.rules import Rule
from harness.runs.schema import Verdict
from harness.stats import Interval
from harness.stats.multiplicity import benjamini_hochberg


@dataclass(frozen=True)
class Breakdown:
    """A rule to be decided as it is, with more in the verdict's `details`.

    For 0/1 metrics `right_to_wrong` and `wrong_to_right` list item ids. In place of `slices` there is for each tag of
    the items a table under the tag's name: value -> n, base, candidate, difference, p_value, and adjusted_p (Benjamini
    and Hochberg over the tag's values). The slices explain a verdict; they do not change it.
    """

    rule: Rule

    def decide(self, *, confidence: float = 0.95) -> Verdict:
        """The rule's verdict with its breakdown; as it is where it could not be measured."""
        verdict = self.rule.decide(confidence=confidence)
        measured = self.rule.measurement
        if verdict.candidate is None or measured.base is None or measured.metric.corpus is not None:
            return verdict
        kept = {name: value for name, value in verdict.details.items() if name != "slices"}
        return replace(verdict, details={**kept, **_flips(measured), **_slices(measured, confidence)})


def _flips(measured: Measurement) -> Mapping[str, Any]:
    if measured.metric.kind != "binary" or measured.base is None:
        return {}
    change = measured.candidate - measured.base
    lost, gained = ([measured.item_ids[i] for i in np.flatnonzero(change * sign > 0)] for sign in (-1, 1))
    return {"flips": len(lost) + len(gained), "right_to_wrong": lost, "wrong_to_right": gained}


def _slices(measured: Measurement, confidence: float) -> dict[str, dict[str, dict[str, float | int | None]]]:
    tags = sorted({tag for tags in measured.tags for tag in tags})
    return {tag: _by_value(measured, tag, confidence) for tag in tags}


def _by_value(measured: Measurement, tag: str, confidence: float) -> dict[str, dict[str, float | int | None]]:
    where: dict[str, list[int]] = {}
    for index, tags in enumerate(measured.tags):
        if tag in tags:
            where.setdefault(tags[tag], []).append(index)
    table: dict[str, dict[str, float | int | None]] = {}
    for value, members in sorted(where.items()):
        part = measured.subset(np.array(members))
        difference = _difference(part, confidence)
        table[value] = {
            "n": part.n,
            "base": None if part.base is None else float(part.base.mean()),
            "candidate": float(part.candidate.mean()),
            "difference": None if part.base is None else float(part.candidate.mean() - part.base.mean()),
            "p_value": None if difference is None else difference.p_value,
        }
    tested = {value: p for value, row in table.items() if (p := row["p_value"]) is not None}
    corrected = dict(zip(tested, benjamini_hochberg(list(tested.values())).tolist(), strict=True)) if tested else {}
    return {value: {**row, "adjusted_p": corrected.get(value)} for value, row in table.items()}


def _difference(part: Measurement, confidence: float) -> Interval | None:
    """None where a slice has too few independent items to be tested."""
    if part.n_clusters == 1:
        # the slice is the cluster, as with subjects: what is said about it holds for it alone
        part = replace(part, clusters=None)
    return part.difference(confidence) if part.n_clusters > 1 else None
