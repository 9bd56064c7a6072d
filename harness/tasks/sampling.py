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
    for index, item in enumerate(items):
        strata[tuple(sorted(item.tags.items()))].append(index)
    ranked: list[tuple[float, int]] = []
    for tags in sorted(strata):
        order = _spread(items, strata[tags], rng)
        # evenly spaced ranks: the first `limit` over all strata hold each one's share to within one item
        ranked += [((i + 0.5) / len(order), index) for i, index in enumerate(order)]
    chosen = {index for _, index in sorted(ranked)[:limit]}
    return [item for index, item in enumerate(items) if index in chosen]


def _spread(items: Sequence[Item], indices: Iterable[int], rng: random.Random) -> list[int]:
    """Indices in random order, one of each cluster before a second of any."""
    clusters: dict[str, list[int]] = defaultdict(list)
    for index in indices:
        item = items[index]
        clusters[item.id if item.cluster is None else f"cluster {item.cluster}"].append(index)
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
    ranked: list[tuple[float, str]] = []
    for stratum in sorted(members):
        ids, start = members[stratum], rng.random()
        ranked += [((rank + start) / len(ids), item) for rank, item in enumerate(rng.sample(ids, len(ids)))]
    return [item for _, item in sorted(ranked)]


def select_items(
    sizes: Mapping[str, int],
    *,
    limit: int | None,
    max_items: int | None,
    seed: int,
    max_subtasks: int | None = None,
) -> dict[str, list[int]]:
    """Draw items of every subtask.

    The same seed gives the same items, and smaller limits give a subset of what larger ones give.

    Args:
        sizes: items each subtask has.
        limit: at most so many of each subtask.
        max_items: at most so many in all, subtasks in proportion to what they have left.
        max_subtasks: at most so many subtasks.

    Returns:
        Ascending item indices by subtask; a subtask of which none was drawn is left out.
    """
    drawn = set(random.Random(f"{seed}").sample(sorted(sizes), len(sizes))[:max_subtasks])
    ranked: list[tuple[float, str, int]] = []
    for subtask in (subtask for subtask in sizes if subtask in drawn):
        size = sizes[subtask]
        order = random.Random(f"{seed}/{subtask}").sample(range(size), size)[:limit]
        # evenly spaced ranks: the first `max_items` over all subtasks hold each one's share to within one item
        ranked += [((rank + 0.5) / len(order), subtask, item) for rank, item in enumerate(order)]
    chosen: dict[str, list[int]] = {subtask: [] for subtask in sizes}
    for _, subtask, item in sorted(ranked)[:max_items]:
        chosen[subtask].append(item)
    return {subtask: sorted(items) for subtask, items in chosen.items() if items}
