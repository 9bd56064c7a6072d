"""How often does the gate on slices by target reject healthy answers, and how often does it see one slice fail?

    python -m benchmarks.slices

Simulated right and wrong answers: all slices alike, slices of unequal difficulty, clusters that are right or wrong as a whole,
and one slice that falls to nothing or to a fifth, with a base that is right in none, half, or most of the items.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from harness.checks.task.slices import SliceFloors, slices_of
from harness.gates import Measurement
from harness.metrics.base import Metric

_RUNS = 60


def measured(
    base: float, levels: Sequence[float], items: int, clusters: int, drawn: np.random.Generator, correlation: float
) -> Measurement:
    """Scores of slices of so many items: one level of the candidate a slice, one of the base for all."""
    n = len(levels) * items
    codes = np.repeat(np.arange(len(levels) * clusters), items // clusters)
    wanted = np.repeat(levels, items)
    shared = drawn.random(len(levels) * clusters)[codes]
    luck = np.where(drawn.random(n) < correlation, shared, drawn.random(n))
    return Measurement(
        metric=Metric("exact_match", kind="binary"),
        task="t",
        slice={},
        item_ids=tuple(map(str, range(n))),
        candidate=(luck < wanted).astype(float),
        base=(drawn.random(n) < base).astype(float),
        clusters=tuple(codes.tolist()) if clusters < items else None,
        tags=({},) * n,
        targets=tuple({"name": f"f{k}", "arguments": {}} for k in range(len(levels)) for _ in range(items)),
        candidate_parsed=(None,) * n,
        base_parsed=(None,) * n,
    )


def rate(
    levels: Sequence[float], items: int, *, base: float = 0.0, clusters: int | None = None, correlation: float = 0.0
) -> Counter[str]:
    """How often each outcome came of simulated runs."""
    drawn = np.random.default_rng(0)
    found: Counter[str] = Counter()
    for _ in range(_RUNS):
        one = measured(base, levels, items, clusters or items, drawn, correlation)
        found[SliceFloors(one, slices_of(one), share=1 / 3, loss=0.1).look(0.95).outcome] += 1
    return found


def main() -> None:
    """Print the shares of failures."""
    healthy = {
        "8 slices of 25, all 0.9": ([0.9] * 8, 25, {}),
        "40 slices of 25, all 0.9": ([0.9] * 40, 25, {}),
        "40 slices of 10, all 0.9": ([0.9] * 40, 10, {}),
        "8 slices of 25, all 0.5": ([0.5] * 8, 25, {}),
        "20 slices of 100, all 0.2": ([0.2] * 20, 100, {}),
        "8 slices of 25, base 0.9 too": ([0.9] * 8, 25, {"base": 0.9}),
        "40 slices of 25, all and base 0.5": ([0.5] * 40, 25, {"base": 0.5}),
        "8 slices of 25, from 0.5 to 0.95": (list(np.linspace(0.5, 0.95, 8)), 25, {}),
        "8 slices of 24 in 6 clusters, all 0.8": ([0.8] * 8, 24, {"clusters": 6, "correlation": 0.7}),
        "8 slices of 24 in 2 clusters, all 0.8": ([0.8] * 8, 24, {"clusters": 2, "correlation": 0.9}),
        "8 slices of 25, all lose 0.05": ([0.85] * 8, 25, {"base": 0.9}),
        "8 slices of 100, all lose 0.1": ([0.8] * 8, 100, {"base": 0.9}),
    }
    faulty = {
        "one of 8 slices of 25 at 0": ([0.9] * 7 + [0.0], 25, {}),
        "one of 8 slices of 25 at 0, base 0.9": ([0.9] * 7 + [0.0], 25, {"base": 0.9}),
        "one of 8 slices of 12 at 0": ([0.9] * 7 + [0.0], 12, {}),
        "one of 40 slices of 25 at 0": ([0.9] * 39 + [0.0], 25, {}),
        "one of 8 slices of 100 at 0.2": ([0.9] * 7 + [0.2], 100, {}),
        "one of 8 slices of 100 from 0.9 to 0.6": ([0.9] * 7 + [0.6], 100, {"base": 0.9}),
        "one of 8 slices of 24 in 6 clusters at 0": ([0.9] * 7 + [0.0], 24, {"clusters": 6, "correlation": 0.5}),
    }
    for title, cases in (("healthy", healthy), ("one slice left behind", faulty)):
        print(title)
        for name, (levels, items, more) in cases.items():
            found = rate(levels, items, **more)
            print(
                f"  {name:45s} failed {found['fail'] / _RUNS:6.1%}, inconclusive {found['inconclusive'] / _RUNS:6.1%}"
            )


if __name__ == "__main__":
    main()
