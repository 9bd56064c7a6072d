"""Which requests are computed together."""

from __future__ import annotations

from collections.abc import Sequence


def plan_batches(lengths: Sequence[int], *, token_budget: int, max_rows: int) -> list[list[int]]:
    """Group requests by length, longest first, so that the first batch shows the peak memory.

    Args:
        lengths: tokens each request may occupy, prompt and answer.
        token_budget: a batch's rows times its longest row stays within this; a single row that is
            longer is a batch of its own.
        max_rows: rows in a batch at the most.

    Returns:
        Indices into `lengths`, a list a batch; every index once. Depends on `lengths` alone, so
        that a resumed run computes the same batches as an uninterrupted one.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    batches: list[list[int]] = []
    for index in order:
        current = batches[-1] if batches else []
        longest = lengths[current[0]] if current else 0
        if current and len(current) < max_rows and (len(current) + 1) * longest <= token_budget:
            current.append(index)
        else:
            batches.append([index])
    return batches
