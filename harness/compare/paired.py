"""The candidates of two runs, item by item: scores out of the stored samples, and the change from one to the other."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.json_files import load_json
from harness.runs.codec import number
from harness.runs.run import Run
from harness.runs.samples import select
from harness.stats import Interval, paired_binary_difference, paired_mean_difference

if TYPE_CHECKING:
    import pyarrow as pa

    from harness.metrics.base import CorpusFunction

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_COLUMNS = ("task", "role", "item_id", "cluster", "scores", "tags", "target", "parsed")
_MIN_CLUSTERS = 2


@dataclass(frozen=True, eq=False)
class Scores:
    """What a run's candidate scored on a task; all sequences have one entry an item, in the same order.

    Attributes:
        scores, tags: as decoded from the samples.
        targets, parsed: JSON texts, as stored; what a metric of the whole task is computed from.
    """

    ids: Sequence[str]
    clusters: Sequence[str | None]
    scores: Sequence[Mapping[str, float | str | None]]
    tags: Sequence[Mapping[str, str]]
    targets: Sequence[str]
    parsed: Sequence[str]

    @cached_property
    def decoded_targets(self) -> list[Any]:
        """The targets as values."""
        return _decoded(self.targets)

    @cached_property
    def decoded_parsed(self) -> list[Any]:
        """What was read of the answers, as values."""
        return _decoded(self.parsed)

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
        [second.targets[i] for i in order],
        [second.parsed[i] for i in order],
    )


def paired_change(before: Scores, after: Scores, metric: str, tags: Mapping[str, str]) -> Interval | None:
    """The metric of `after` minus that of `before`, paired by item, over the items that carry the tags.

    A metric of the whole task (macro F1) scores no item: it is computed anew on resamples of the items, the same ones of
    both. None where it is not known how, or where fewer than two independent items have the metric.
    """
    first, second = before.of(metric), after.of(metric)
    kept = np.isfinite(first) & np.isfinite(second) & before.tagged(tags)
    first, second = first[kept], second[kept]
    clusters = _clusters(before, np.flatnonzero(kept).tolist())
    if not len(first):
        return _corpus_change(before, after, metric, tags)
    if (len(first) if clusters is None else len(set(clusters))) < _MIN_CLUSTERS:
        return None
    binary = bool(np.isin(first, (0.0, 1.0)).all() and np.isin(second, (0.0, 1.0)).all())
    difference = paired_binary_difference if binary else paired_mean_difference
    return difference(first, second, clusters=clusters)


def corpus_value(scores: Scores, metric: str, tags: Mapping[str, str]) -> float | None:
    """A metric of the whole task over the items that carry the tags; None where it is not known how, or there are none."""
    from harness.metrics.corpus import corpus_function

    function, items = corpus_function(metric), _graded(scores, metric, tags)
    return None if function is None or not items else _aggregate(function, scores, items)


def _corpus_change(before: Scores, after: Scores, metric: str, tags: Mapping[str, str]) -> Interval | None:
    from harness.metrics.corpus import corpus_function
    from harness.stats import replicate

    function = corpus_function(metric)
    items = [i for i in _graded(before, metric, tags) if metric not in after.scores[i]]
    clusters = _clusters(before, items)
    if function is None or (len(items) if clusters is None else len(set(clusters))) < _MIN_CLUSTERS:
        return None
    first, second = (
        replicate(
            lambda drawn, side=side: _aggregate(function, side, [items[i] for i in drawn]),  # type: ignore[misc]
            len(items),
            clusters=clusters,
        )
        for side in (before, after)
    )
    return (second - first).interval()


def _graded(scores: Scores, metric: str, tags: Mapping[str, str]) -> list[int]:
    """The items that a metric of the whole task is about."""
    tagged = np.flatnonzero(scores.tagged(tags)).tolist()
    return [i for i in tagged if metric not in scores.scores[i]]


def _aggregate(function: CorpusFunction, scores: Scores, items: Sequence[int]) -> float:
    return function([scores.decoded_targets[i] for i in items], [scores.decoded_parsed[i] for i in items])


def _scores(table: pa.Table) -> Scores:
    return Scores(
        table["item_id"].to_pylist(),
        table["cluster"].to_pylist(),
        _decoded(table["scores"].to_pylist()),
        [{tag: str(value) for tag, value in tags.items()} for tags in _decoded(table["tags"].to_pylist())],
        table["target"].to_pylist(),
        table["parsed"].to_pylist(),
    )


def _decoded(texts: Sequence[str]) -> list[Any]:
    # one document is parsed many times faster than one for each row
    values: list[Any] = load_json(f"[{','.join(texts)}]")
    return values


def _clusters(scores: Scores, kept: Sequence[int]) -> Sequence[Hashable] | None:
    if all(scores.clusters[i] is None for i in kept):
        return None
    # an item without a cluster is one of its own
    return [(scores.clusters[i], scores.ids[i] if scores.clusters[i] is None else "") for i in kept]
