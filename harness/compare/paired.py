"""The candidates of two runs, item by item: scores out of the stored samples, and the change from one to the other."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.runs.codec import number
from harness.runs.run import Run
from harness.runs.samples import select
from harness.stats import Interval, paired_binary_difference, paired_mean_difference

if TYPE_CHECKING:
    import pyarrow as pa

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_COLUMNS = ("task", "role", "item_id", "cluster", "scores", "tags")
_MIN_CLUSTERS = 2


@dataclass(frozen=True, eq=False)
class Scores:
    """What a run's candidate scored on a task; all sequences have one entry an item, in the same order.

    Attributes:
        scores, tags: as decoded from the samples.
    """

    ids: Sequence[str]
    clusters: Sequence[str | None]
    scores: Sequence[Mapping[str, float | str | None]]
    tags: Sequence[Mapping[str, str]]

    def of(self, metric: str) -> FloatArray:
        """Shape (n,); NaN where the metric does not apply, or is one of the whole task and scores no single item."""
        values = [number(scores.get(metric)) for scores in self.scores]
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)

    def tagged(self, tags: Mapping[str, str]) -> BoolArray:
        """Shape (n,): the items that carry all these tags."""
        return np.array(
            [all(own.get(tag) == value for tag, value in tags.items()) for own in self.tags], dtype=np.bool_
        )


def candidate_scores(run: Run) -> dict[str, Scores]:
    """Task -> what the run's candidate scored."""
    table = select(run.read_columns(*_COLUMNS), role="candidate")
    return {task: _scores(select(table, task=task)) for task in table["task"].unique().to_pylist()}


def aligned(first: Scores, second: Scores) -> Scores:
    """`second` in the item order of `first`. Both have the same items: comparable runs do."""
    at = {item: i for i, item in enumerate(second.ids)}
    order = [at[item] for item in first.ids]
    return Scores(
        first.ids,
        [second.clusters[i] for i in order],
        [second.scores[i] for i in order],
        [second.tags[i] for i in order],
    )


def paired_change(before: Scores, after: Scores, metric: str, tags: Mapping[str, str]) -> Interval | None:
    """The metric of `after` minus that of `before`, paired by item, over the items that carry the tags.

    None where it is a metric of the whole task, which no pairing of items gives, or where fewer than two independent
    items have it.
    """
    first, second = before.of(metric), after.of(metric)
    kept = np.isfinite(first) & np.isfinite(second) & before.tagged(tags)
    first, second = first[kept], second[kept]
    clusters = _clusters(before, np.flatnonzero(kept).tolist())
    if (len(first) if clusters is None else len(set(clusters))) < _MIN_CLUSTERS:
        return None
    binary = bool(np.isin(first, (0.0, 1.0)).all() and np.isin(second, (0.0, 1.0)).all())
    difference = paired_binary_difference if binary else paired_mean_difference
    return difference(first, second, clusters=clusters)


def _scores(table: pa.Table) -> Scores:
    def decoded(column: str) -> list[dict[str, float | str | None]]:
        # one document is parsed many times faster than one for each row
        rows: list[dict[str, float | str | None]] = json.loads(f"[{','.join(table[column].to_pylist())}]")
        return rows

    return Scores(
        table["item_id"].to_pylist(),
        table["cluster"].to_pylist(),
        decoded("scores"),
        [{tag: str(value) for tag, value in tags.items()} for tags in decoded("tags")],
    )


def _clusters(scores: Scores, kept: Sequence[int]) -> Sequence[Hashable] | None:
    if all(scores.clusters[i] is None for i in kept):
        return None
    # an item without a cluster is one of its own
    return [(scores.clusters[i], scores.ids[i] if scores.clusters[i] is None else "") for i in kept]
