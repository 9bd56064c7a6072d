"""What a verdict says beside its outcome: which items flipped, how each slice fared, and what the losers have in common."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.gates.evidence import Evidence
from harness.gates.slices import (
    Slice,
    Table,
    Values,
    all_tags,
    as_tables,
    find_driver,
    item_gains,
    item_shortfalls,
)
from harness.gates.wording import Wording

_NAMED_ITEMS = 5
_WORST_SHARE = 0.1
_MIN_WORST = 5
_MOST = 0.5  # of the losers share a tag or word that is called common
_LIFT = 2.0  # times as often as among the others
_TOP_WORDS = 5
_WORD = re.compile(r"[^\W\d_]{3,}")


def breakdown(measured: Evidence, slices: Table) -> dict[str, Any]:
    """Facts for a verdict's details.

    `slices`: a table for each tag of the items (see `harness.gates.slices.Slice`), below a key of their own since tags are
    named by users. For paired 0/1 metrics also `flips`, `right_to_wrong` and `wrong_to_right`, the ids of the items.

    Args:
        slices: `slice_table` of the measurement, as for `explain_loss`.
    """
    tables = as_tables(slices)
    return {**({"slices": tables} if tables else {}), **_flips(measured)}


def explain_loss(measured: Evidence, slices: Table) -> tuple[str, dict[str, Any]]:
    """Where a loss comes from: a phrase for the verdict's reason (empty where no slice stands out), and more details.

    Details: `driver` (the slice), `worst_items` (ids), and of these `common_tags`, `common_words`, `median_prompt_chars`
    beside that of the other items.
    """
    return _explain(measured, slices, item_gains(measured), "driven by", "regressed")


def explain_level(measured: Evidence, slices: Table) -> tuple[str, dict[str, Any]]:
    """Where a level is not reached, as `explain_loss`: the slice that is worse than the others, and the items that are."""
    mark = "wrong" if measured.metric.kind == "binary" else "worse than the median"
    return _explain(measured, slices, item_shortfalls(measured), "weakest where", mark)


def _explain(
    measured: Evidence, slices: Table, values: Values | None, lead: str, mark: str
) -> tuple[str, dict[str, Any]]:
    worst = [] if values is None else _worst(measured, values)
    if values is None or not worst:
        return "", {}
    details: dict[str, Any] = {"worst_items": [measured.item_ids[i] for i in worst], **_in_common(measured, worst)}
    driver = find_driver(measured, values)
    if driver is None:
        return "", details
    name = "=".join(driver)
    level, items = _level_in_words(measured, slices[driver]), _items_in_words(measured, driver, values, mark)
    return f"{lead} {name}: {level}, {items}", {"driver": name, **details}


def _level_in_words(measured: Evidence, found: Slice) -> str:
    wording = Wording(measured.metric)
    before = "" if found.base is None else f"{wording.share(found.base)} to "
    return f"{before}{wording.share(found.candidate)}"


def _items_in_words(measured: Evidence, driver: tuple[str, str], values: Values, mark: str) -> str:
    """As in "9 of 10 regressed (t3, t8, ...)"."""
    tag, wanted = driver
    of_slice = [i for i, tags in enumerate(all_tags(measured)) if tags.get(tag) == wanted]
    ids = [measured.item_ids[i] for i in of_slice if values[i] < 0]
    named = ", ".join(ids[:_NAMED_ITEMS]) + (", ..." if len(ids) > _NAMED_ITEMS else "")
    return f"{len(ids)} of {len(of_slice)} {mark}" + (f" ({named})" if named else "")


def _flips(measured: Evidence) -> dict[str, Any]:
    gains = item_gains(measured)
    if measured.metric.kind != "binary" or gains is None:
        return {}
    lost, gained = ([measured.item_ids[i] for i in np.flatnonzero(gains * sign > 0)] for sign in (-1, 1))
    return {"flips": len(lost) + len(gained), "right_to_wrong": lost, "wrong_to_right": gained}


def _worst(measured: Evidence, values: Values) -> list[int]:
    """Of a 0/1 metric all items with values below 0, of a continuous one the tenth that is lowest."""
    losers = np.flatnonzero(values < 0)
    if measured.metric.kind == "binary":
        return [int(i) for i in losers]
    most = max(_MIN_WORST, round(measured.n * _WORST_SHARE))
    return sorted(int(i) for i in losers[np.argsort(values[losers], kind="stable")][:most])


def _in_common(measured: Evidence, worst: Sequence[int]) -> dict[str, Any]:
    chosen = set(worst)
    others = [i for i in range(measured.n) if i not in chosen]
    if not others:
        return {}
    tags = [{f"{tag}={value}" for tag, value in of_item.items()} for of_item in measured.tags]
    words = [{word.lower() for word in _WORD.findall(prompt)} for prompt in measured.prompts]
    facts: dict[str, Any] = {
        "common_tags": _lifted(tags, worst, others),
        "common_words": _lifted(words, worst, others)[:_TOP_WORDS],
    }
    if measured.prompts:
        lengths = np.array([len(prompt) for prompt in measured.prompts])
        facts["median_prompt_chars"] = {
            "worst items": int(np.median(lengths[list(worst)])), "other items": int(np.median(lengths[others])),
        }  # fmt: skip
    return {name: fact for name, fact in facts.items() if fact}


def _lifted(marks: Sequence[set[str]], worst: Sequence[int], others: Sequence[int]) -> list[str]:
    """Marks that most of the worst items carry, and twice as often as the others do; the most telling first."""
    if not marks:
        return []
    among = Counter(mark for i in worst for mark in marks[i])
    elsewhere = Counter(mark for i in others for mark in marks[i])
    shares = {
        mark: (count / len(worst), elsewhere[mark] / len(others))
        for mark, count in among.items()
        if count > 1 and count / len(worst) >= _MOST
    }
    telling = [mark for mark, (share, other) in shares.items() if share >= _LIFT * other]
    return sorted(telling, key=lambda mark: (shares[mark][1] - shares[mark][0], mark))
