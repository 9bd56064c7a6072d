"""One metric measured on a task: arrays and their intervals."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from harness.errors import ConfigError
from harness.metrics.base import Metric
from harness.records import Noise
from harness.runs.gate_names import gate_name
from harness.stats import (
    Interval,
    Replicates,
    mean_interval,
    paired_binary_difference,
    paired_mean_difference,
    replicate,
    wilson,
)

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Evidence:
    """Per-item evidence on one metric; all sequences have one entry an item, in the same order.

    Attributes:
        slice: the tags the items were narrowed to.
        candidate, base: shape (n,) scores; NaN where a corpus metric scores no single item. `base` is
            None where only one model was measured.
        clusters: one label an item; None where no item has one.
        base_name: what the candidate is compared with, for messages.
        opponent: what else than the base it is, in the names of gates; empty for the base.
        known_difference: candidate minus base, where it was found in another way than from these items alone.
        prompts: as asked, to say what the items of a loss have in common; empty where they are not at hand.
        targets, candidate_parsed, base_parsed: what a corpus metric is computed from.
        items: where each item was asked several times, which of them an entry answers: an entry is then an answer, and its item
            lies in one cluster; empty elsewhere.
        noise: how far two measurements of one candidate lie apart by this metric; None where that was not measured.
    """

    metric: Metric
    task: str
    slice: Mapping[str, str]
    item_ids: tuple[str, ...]
    candidate: FloatArray
    base: FloatArray | None
    clusters: tuple[Hashable, ...] | None
    tags: tuple[Mapping[str, str], ...]
    targets: tuple[Any, ...]
    candidate_parsed: tuple[Any, ...]
    base_parsed: tuple[Any, ...] | None
    base_name: str = "base"
    prompts: tuple[str, ...] = ()
    known_difference: Interval | None = None
    opponent: str = ""
    items: tuple[str, ...] = ()
    noise: Noise | None = None

    @property
    def n(self) -> int:
        """Entries: items, or answers to them."""
        return len(self.item_ids)

    @property
    def n_items(self) -> int:
        """Items measured."""
        return len(set(self.items)) if self.items else self.n

    @property
    def n_clusters(self) -> int:
        """Independent groups of items."""
        return self.n if self.clusters is None else len(set(self.clusters))

    @property
    def label(self) -> str:
        """Task, slice and metric, as in `tool_calls[values=unseen]/exact_match`."""
        return gate_name(self.metric.name, task=self.task, tags=self.slice)

    def candidate_interval(self, confidence: float) -> Interval:
        """The candidate's metric. Raises ValueError where it cannot be computed."""
        return self._interval(self.candidate, self._replicates[1], confidence)

    def base_interval(self, confidence: float) -> Interval | None:
        """The base's metric; None without a base. Raises ValueError where it cannot be computed."""
        return None if self.base is None else self._interval(self.base, self._replicates[0], confidence)

    def difference(self, confidence: float) -> Interval:
        """Candidate minus base, paired, whichever direction is better.

        Raises:
            ConfigError: there is no base.
            ValueError: it cannot be computed.
        """
        if self.base is None:
            raise self.no_base()
        if self.known_difference is not None:
            return self.known_difference
        base, candidate = self._replicates
        if base is not None and candidate is not None:
            return (candidate - base).interval(confidence)
        paired = paired_binary_difference if self.metric.kind == "binary" else paired_mean_difference
        return paired(self.base, self.candidate, clusters=self.clusters, confidence=confidence)

    def gain(self, confidence: float) -> Interval:
        """The difference, signed so that above 0 the candidate is the better one."""
        found = self.difference(confidence)
        return found if self.metric.higher_is_better else mirrored(found)

    def subset(self, members: IntArray) -> Self:
        """The same metric over the items at these indices."""

        def pick(values: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(values[i] for i in members)

        return replace(
            self,
            item_ids=pick(self.item_ids),
            known_difference=None,
            noise=None,
            items=pick(self.items) if self.items else (),
            candidate=self.candidate[members],
            base=None if self.base is None else self.base[members],
            clusters=None if self.clusters is None else pick(self.clusters),
            tags=pick(self.tags),
            targets=pick(self.targets),
            prompts=pick(self.prompts) if self.prompts else (),
            candidate_parsed=pick(self.candidate_parsed),
            base_parsed=None if self.base_parsed is None else pick(self.base_parsed),
        )

    def values(self) -> tuple[float | None, float]:
        """The metric over all items: of the base (None without one) and of the candidate."""
        everything = np.arange(self.n)
        base = None if self.base is None else self._aggregate(self.base, self.base_parsed, everything)
        return base, self._aggregate(self.candidate, self.candidate_parsed, everything)

    def _interval(self, scores: FloatArray, replicates: Replicates | None, confidence: float) -> Interval:
        if replicates is not None:
            return replicates.interval(confidence)
        single = wilson if self.metric.kind == "binary" else mean_interval
        return single(scores, clusters=self.clusters, confidence=confidence)

    @cached_property
    def _replicates(self) -> tuple[Replicates | None, Replicates | None]:
        """A corpus metric of base and candidate on the same resamples; None each of other metrics."""
        sides = ((self.base, self.base_parsed), (self.candidate, self.candidate_parsed))
        base, candidate = (
            replicate(partial(self._aggregate, scores, parsed), self.n, clusters=self.clusters)
            if self.metric.corpus is not None and scores is not None
            else None
            for scores, parsed in sides
        )
        return base, candidate

    def _aggregate(self, scores: FloatArray, parsed: Sequence[Any] | None, items: IntArray) -> float:
        if self.metric.corpus is None or parsed is None:
            return float(scores[items].mean())
        return float(self.metric.corpus([self.targets[i] for i in items], [parsed[i] for i in items]))

    def no_base(self) -> ConfigError:
        """What to raise where a base is needed and none was measured."""
        return ConfigError(
            f"{self.label} was measured on one model only: there is no base to compare with",
            "use compare(task) instead of evaluate(task, model), or at_least / at_most",
        )


def mirrored(interval: Interval) -> Interval:
    """The interval of what has the other sign."""
    return replace(interval, value=-interval.value, low=-interval.high, high=-interval.low)
