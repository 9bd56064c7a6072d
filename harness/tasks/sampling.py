"""Which of a task's items are asked, and in what order: any part keeps the mix of the whole."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from harness.digests import digest_json
from harness.tasks.base import Item

T = TypeVar("T")


def sample_items(items: Sequence[Item], limit: int, seed: int) -> list[Item]:
    """Take `limit` items, each tag combination in proportion, spread over as many clusters as can be.

    The same items and seed give the same sample in the items' own order, and a smaller limit gives a subset of a
    larger one's, so that a smoke run's cached answers serve the release run.
    """
    rng = random.Random(seed)
    strata: dict[tuple[tuple[str, str], ...], list[int]] = defaultdict(list)
    for place, item in enumerate(items):
        strata[tuple(sorted(item.tags.items()))].append(place)
    ranked: list[tuple[float, int]] = []
    for tags in sorted(strata):
        order = _spread(items, strata[tags], rng)
        # evenly spaced ranks: the first `limit` over all strata hold each one's share to within one item
        ranked += [((i + 0.5) / len(order), place) for i, place in enumerate(order)]
    chosen = {place for _, place in sorted(ranked)[:limit]}
    return [item for place, item in enumerate(items) if place in chosen]


def _spread(items: Sequence[Item], places: Iterable[int], rng: random.Random) -> list[int]:
    """Places in random order, one of each cluster before a second of any."""
    clusters: dict[str, list[int]] = defaultdict(list)
    for place in places:
        item = items[place]
        clusters[item.id if item.cluster is None else f"cluster {item.cluster}"].append(place)
    shuffled = [_shuffle(clusters[name], rng) for name in _shuffle(sorted(clusters), rng)]
    longest = max(map(len, shuffled))
    return [cluster[i] for i in range(longest) for cluster in shuffled if i < len(cluster)]


def _shuffle(values: Sequence[T], rng: random.Random) -> list[T]:
    return rng.sample(values, len(values))


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
