"""Slices of a measurement: how each part of the items fared, and which part a change comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import mannwhitneyu

from harness.gates.evidence import Evidence
from harness.stats.multiplicity import benjamini_hochberg
from harness.tasks.targets import length_bands, target_tags

MIN_ITEMS = 5
"""Smaller slices are shown but neither tested nor blamed."""
LENGTH_TAG = "prompt length"
_LEVEL = 0.05


@dataclass(frozen=True)
class Slice:
    """The items that carry one value of a tag.

    Attributes:
        regressed: items on which the candidate is worse; None without a base or single scores.
        p_value: of the slice's own change, by the metric's paired test; None where it is too small to be tested.
        adjusted_p: corrected over all tested slices (Benjamini and Hochberg).
    """

    n: int
    base: float | None
    candidate: float
    difference: float | None = None
    regressed: int | None = None
    p_value: float | None = None
    adjusted_p: float | None = None


Table = Mapping[tuple[str, str], Slice]
"""(tag, value) -> slice."""
Values = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def slice_table(measured: Evidence, confidence: float) -> Table:
    """Every slice of the items, by their tags, by the length of their prompts and by what their targets are."""
    members = _members(measured)
    table = {key: _slice(measured, indices, confidence) for key, indices in members.items()}
    tested = {key: p for key, part in table.items() if (p := part.p_value) is not None}
    if tested:
        for key, adjusted in zip(tested, benjamini_hochberg(list(tested.values())).tolist(), strict=True):
            table[key] = replace(table[key], adjusted_p=adjusted)
    return table


def find_driver(measured: Evidence, values: Values) -> tuple[str, str] | None:
    """The slice whose items fare worse by these values than the others do; None where none stands out.

    One-sided Mann-Whitney tests of each slice's items against the others, corrected over the slices by Benjamini and
    Hochberg; of those below 5% the one with the smallest p-value.

    Args:
        values: shape (n,), less is worse: `item_gains` or `item_shortfalls`.
    """
    if measured.items:  # answers to one item are no independent evidence
        measured, values = _by_item(measured, values)
    p_values: dict[tuple[str, str], float] = {}
    for key, indices in _members(measured).items():
        rest = np.delete(values, indices)
        if min(len(indices), len(rest)) >= MIN_ITEMS:
            p_values[key] = float(mannwhitneyu(values[indices], rest, alternative="less").pvalue)
    if not p_values:
        return None
    adjusted = dict(zip(p_values, benjamini_hochberg(list(p_values.values())).tolist(), strict=True))
    first = min(p_values, key=p_values.__getitem__)
    return first if adjusted[first] <= _LEVEL else None


def _by_item(measured: Evidence, values: Values) -> tuple[Evidence, Values]:
    """One entry an item, the first of its answers, and the mean of the values of all."""
    places = list(places_of([{"item": item} for item in measured.items]).values())
    means = np.array([values[of_item].mean() for of_item in places])
    return measured.subset(np.array([of_item[0] for of_item in places])), means


def item_gains(measured: Evidence) -> Values | None:
    """Shape (n,): change of each item's score, above 0 where the candidate is better; None where items have none."""
    if measured.base is None or measured.metric.corpus is not None:
        return None
    change = measured.candidate - measured.base
    return change if measured.metric.higher_is_better else -change


def item_shortfalls(measured: Evidence) -> Values | None:
    """Shape (n,): each candidate score less the best of a 0/1 metric, the median of others; below 0 it is worse.

    None where items have no scores.
    """
    if measured.metric.corpus is not None:
        return None
    scores = measured.candidate if measured.metric.higher_is_better else -measured.candidate
    best = 1.0 if measured.metric.higher_is_better else 0.0
    return scores - (best if measured.metric.kind == "binary" else float(np.median(scores)))


def as_tables(table: Table) -> dict[str, dict[str, dict[str, Any]]]:
    """{tag: {value: facts}}, for a verdict's details: what was not measured of any slice is left out."""
    measured = {name for part in table.values() for name, value in asdict(part).items() if value is not None}
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for (tag, value), part in sorted(table.items()):
        facts = {name: number for name, number in asdict(part).items() if name in measured}
        found.setdefault(tag, {})[value] = facts
    return found


def _members(measured: Evidence) -> dict[tuple[str, str], np.ndarray[Any, np.dtype[np.int64]]]:
    where = places_of(all_tags(measured))
    # of a tag with one value the slice is the whole
    values = [tag for tag, _ in where]
    return {key: indices for key, indices in where.items() if values.count(key[0]) > 1}


def places_of(tags: Sequence[Mapping[str, str]]) -> dict[tuple[str, str], np.ndarray[Any, np.dtype[np.int64]]]:
    """(tag, value) -> places of the items that carry it."""
    where: dict[tuple[str, str], list[int]] = {}
    for place, of_item in enumerate(tags):
        for one in of_item.items():
            where.setdefault(one, []).append(place)
    return {one: np.array(places) for one, places in where.items()}


def all_tags(measured: Evidence) -> Sequence[Mapping[str, str]]:
    """The items' tags, with a band of prompt lengths and with what their targets are, where that differs between them.

    Of two that divide the items in the same way, the one that a user named stays.
    """
    bands = length_bands([len(prompt) for prompt in measured.prompts])
    formed = target_tags(measured.targets)
    if bands is not None:
        formed = [{LENGTH_TAG: band, **tags} for band, tags in zip(bands, formed, strict=True)]
    named = {_division(measured.tags, tag) for tag in _names(measured.tags)}
    kept = {tag for tag in _names(formed) if _division(formed, tag) not in named}
    return [
        {**{tag: value for tag, value in of_item.items() if tag in kept}, **tags}
        for of_item, tags in zip(formed, measured.tags, strict=True)
    ]


def _names(tags: Sequence[Mapping[str, str]]) -> dict[str, None]:
    return dict.fromkeys(tag for of_item in tags for tag in of_item)


def _division(tags: Sequence[Mapping[str, str]], tag: str) -> tuple[int, ...]:
    """Which items share a value of the tag: one number an item, the same for equal values."""
    numbers: dict[str | None, int] = {}
    return tuple(numbers.setdefault(of_item.get(tag), len(numbers)) for of_item in tags)


def _slice(measured: Evidence, indices: np.ndarray[Any, np.dtype[np.int64]], confidence: float) -> Slice:
    part = measured.subset(indices)
    base, candidate = part.values()
    if base is None:
        return Slice(part.n, None, candidate)
    gains = item_gains(part)
    regressed = None if gains is None else int((gains < 0).sum())
    return Slice(part.n, base, candidate, candidate - base, regressed, _p_value(part, confidence))


def _p_value(part: Evidence, confidence: float) -> float | None:
    if part.n_clusters == 1:
        # the slice is the cluster, as with subjects: what is said about it holds for it alone
        part = replace(part, clusters=part.items or None)
    if part.metric.corpus is not None or part.n_items < MIN_ITEMS or part.n_clusters < 2:
        return None
    return part.difference(confidence).p_value
