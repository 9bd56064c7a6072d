"""A part of a task's items that keeps its mix."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TypeVar

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
