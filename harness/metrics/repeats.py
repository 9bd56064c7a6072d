"""What the repeats of one item say together: best and worst of k, and how often two of them agree.

Each is a number of an item, kept with every one of its answers: its mean over all answers is then that over items, and clusters
of items make its interval.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from harness.metrics.base import Metric
from harness.stats import expected_agreement, expected_best, expected_worst

AGREEMENT = Metric("agreement", bounds=(0.0, 1.0))


def sizes(repeats: int) -> list[int]:
    """The k that are told of so many repeats: powers of 2, and all of them."""
    return [*(k for k in (2**power for power in range(1, repeats.bit_length())) if k < repeats), repeats]


def repeat_metrics(read: Metric | None, repeats: int) -> tuple[Metric, ...]:
    """What is told of so many repeats.

    Of a 0/1 metric `pass@k`, that one of k answers is right, and `pass^k`, that all are; of another `best@k` and `worst@k`.

    Args:
        read: the metric that they are about, a mean of the answers' own scores; None tells of agreement alone.
    """
    extremes = [] if read is None else [metric for k in sizes(repeats) for metric in _extremes(read, k, repeats)]
    return (*extremes, AGREEMENT)


def names_of_repeats(repeats: int) -> list[str]:
    """The names that `repeat_metrics` may have, whatever they are about."""
    return [f"{name}{k}" for k in sizes(repeats) for name in ("pass@", "pass^", "best@", "worst@")] + [AGREEMENT.name]


def repeat_scores(
    read: Metric | None, scores: Sequence[float | None], answers: Sequence[tuple[Any, str]]
) -> dict[str, float | None]:
    """The scores of one item by the names of `repeat_metrics`; None where `read` does not apply to it.

    Args:
        scores: of each repeat, by `read`.
        answers: what each was parsed into, and its text, which is compared where it was parsed into nothing.
    """
    labels = [text.strip() if parsed is None else f"{json.dumps(parsed, sort_keys=True)}\n" for parsed, text in answers]
    return {**dict(_of_extremes(read, scores)), AGREEMENT.name: expected_agreement(labels)}


def _of_extremes(read: Metric | None, scores: Sequence[float | None]) -> Iterator[tuple[str, float | None]]:
    if read is None:
        return
    values = [score for score in scores if score is not None]
    best, worst = (expected_best, expected_worst) if read.higher_is_better else (expected_worst, expected_best)
    for k in sizes(len(scores)):
        for metric, expected in zip(_extremes(read, k, len(scores)), (best, worst), strict=True):
            yield metric.name, expected(values, k) if len(values) == len(scores) else None


def _extremes(read: Metric, k: int, repeats: int) -> tuple[Metric, Metric]:
    """Of the best and of the worst of k; of all of 0/1 repeats they are 0 or 1 themselves."""
    names = (f"pass@{k}", f"pass^{k}") if read.kind == "binary" else (f"best@{k}", f"worst@{k}")
    chance = read.floor if read.kind == "binary" else None
    floors = (None, None) if chance is None else (1 - (1 - chance) ** k, chance**k)
    best, worst = (
        Metric(name, read.kind if k == repeats else "continuous", read.higher_is_better, floor, bounds=read.range)
        for name, floor in zip(names, floors, strict=True)
    )
    return best, worst
