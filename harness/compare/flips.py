"""The items that one run's candidate got right and another's wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.compare.paired import Scores, aligned
from harness.json_files import load_json
from harness.runs.run import Run
from harness.runs.samples import select

SHOWN = 100
"""Flips of a metric, in each direction, whose texts are kept."""

_COLUMNS = ("task", "role", "item_id", "prompt", "target", "answer")


@dataclass(frozen=True)
class Flip:
    """One item; `before` and `after` are the two candidates' answers, `target` is a JSON value."""

    item_id: str
    prompt: str
    target: Any
    before: str
    after: str


@dataclass(frozen=True)
class Flips:
    """The flips of a yes-or-no metric.

    Attributes:
        lost, gained: the first of them, at most `SHOWN`; `lost` went from the good score to the bad one.
        lost_count, gained_count: how many there are.
    """

    task: str
    metric: str
    lost: tuple[Flip, ...]
    gained: tuple[Flip, ...]
    lost_count: int
    gained_count: int


def find_flips(
    first: Run,
    last: Run,
    scores: tuple[Mapping[str, Scores], Mapping[str, Scores]],
    metrics: Mapping[tuple[str, str], bool],
) -> tuple[Flips, ...]:
    """What flipped between two runs.

    Args:
        scores: of both runs, by task.
        metrics: (task, metric) -> higher is better; only tasks that compare, only metrics that are 0 or 1 count.
    """
    moved = {key: _moved(scores[0][key[0]], scores[1][key[0]], key[1], higher) for key, higher in metrics.items()}
    wanted = {(task, item) for (task, _), pair in moved.items() for items in pair for item in items[:SHOWN]}
    texts = [_texts(run, wanted) for run in (first, last)] if wanted else [{}, {}]

    def shown(task: str, items: list[str]) -> tuple[Flip, ...]:
        return tuple(_flip(item, texts[0][task, item], texts[1][task, item]) for item in items[:SHOWN])

    return tuple(
        Flips(task, metric, shown(task, lost), shown(task, gained), len(lost), len(gained))
        for (task, metric), (lost, gained) in moved.items()
        if lost or gained
    )


def _moved(first: Scores, last: Scores, metric: str, higher_is_better: bool) -> tuple[list[str], list[str]]:
    """Item ids that were lost, and that were gained; none of a metric that is not 0 or 1 throughout."""
    before, after = first.of(metric), aligned(first, last).of(metric)
    known = np.isfinite(before) & np.isfinite(after)
    if not (np.isin(before[known], (0.0, 1.0)).all() and np.isin(after[known], (0.0, 1.0)).all()):
        return [], []
    gain = np.where(known, after - before, 0.0) * (1 if higher_is_better else -1)
    lost, gained = ([first.ids[i] for i in np.flatnonzero(gain * sign > 0).tolist()] for sign in (-1, 1))
    return lost, gained


def _texts(run: Run, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], Mapping[str, str]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    table = select(run.read_columns(*_COLUMNS), role="candidate")
    table = table.filter(pc.is_in(table["item_id"], pa.array(sorted({item for _, item in wanted}))))
    return {(row["task"], row["item_id"]): row for row in table.to_pylist()}


def _flip(item: str, before: Mapping[str, str], after: Mapping[str, str]) -> Flip:
    return Flip(item, before["prompt"], load_json(before["target"]), before["answer"], after["answer"])
