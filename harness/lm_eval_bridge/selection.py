"""Which items of which leaf task are asked."""

from __future__ import annotations

import random
from collections.abc import Mapping


def select_items(
    sizes: Mapping[str, int],
    *,
    limit: int | None,
    max_items: int | None,
    seed: int,
    max_leaves: int | None = None,
) -> dict[str, list[int]]:
    """Draw items of every leaf task.

    The same seed gives the same items, and smaller limits give a subset of what larger ones give.

    Args:
        sizes: items each leaf task has.
        limit: at most so many of each leaf task.
        max_items: at most so many in all, leaf tasks in proportion to what they have left.
        max_leaves: at most so many leaf tasks.

    Returns:
        Ascending item indices by leaf task; a leaf task of which none was drawn is left out.
    """
    drawn = set(random.Random(f"{seed}").sample(sorted(sizes), len(sizes))[:max_leaves])
    ranked: list[tuple[float, str, int]] = []
    for leaf in (leaf for leaf in sizes if leaf in drawn):
        size = sizes[leaf]
        order = random.Random(f"{seed}/{leaf}").sample(range(size), size)[:limit]
        # evenly spaced ranks: the first `max_items` over all leaf tasks hold each one's share to within one item
        ranked += [((place + 0.5) / len(order), leaf, item) for place, item in enumerate(order)]
    chosen: dict[str, list[int]] = {leaf: [] for leaf in sizes}
    for _, leaf, item in sorted(ranked)[:max_items]:
        chosen[leaf].append(item)
    return {leaf: sorted(items) for leaf, items in chosen.items() if items}
