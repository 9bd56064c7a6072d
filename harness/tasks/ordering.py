"""The order in which items are asked when asking may stop early: any beginning of it stands for the whole."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping

from harness.digests import digest_json
from harness.tasks.base import Item


def item_strata(items: Iterable[Item]) -> dict[str, str]:
    """Item id -> the stratum it is drawn from: its tags; its cluster where it has none."""
    return {item.id: digest_json([dict(item.tags), None if item.tags else item.cluster]) for item in items}


def stratified_order(strata: Mapping[str, str], seed: int) -> list[str]:
    """Item ids in random order, of which the first k hold each stratum's share to within one item, for every k.

    Systematic sampling from a random start in each stratum, so that each item is among the first k with probability
    k / n, up to rounding. For a betting test, which takes its items for a simple random sample, this is the safe
    direction: with proportional shares its expected capital is at most that under simple random order (Maclaurin's
    inequality within a stratum, that of the means between them).

    Args:
        strata: item id -> stratum.
        seed: the same ids, strata and seed give the same order, whatever the order of the mapping.
    """
    members: dict[str, list[str]] = defaultdict(list)
    for item_id in sorted(strata):
        members[strata[item_id]].append(item_id)
    rng = random.Random(seed)
    places: list[tuple[float, str]] = []
    for stratum in sorted(members):
        ids, start = members[stratum], rng.random()
        places += [((rank + start) / len(ids), item) for rank, item in enumerate(rng.sample(ids, len(ids)))]
    return [item for _, item in sorted(places)]
