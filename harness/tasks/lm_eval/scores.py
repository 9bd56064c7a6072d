"""What a leaf task measures: lm-eval's metrics under the names that samples carry."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lm_eval.api.metrics import mean

from harness.errors import TaskError

Aggregate = Callable[[list[Any]], float]


@dataclass(frozen=True)
class ScoreName:
    """One of lm-eval's metrics after one of its filters.

    Attributes:
        name: of the score in samples: the metric's own where the task has one filter.
        aggregate: lm-eval's function from the per-sample values to the metric; None for their mean.
    """

    name: str
    metric: str
    filter: str
    higher_is_better: bool
    aggregate: Aggregate | None


def score_names(task: Any) -> list[ScoreName]:
    """The scores a leaf task declares.

    With several filters (GSM8K's `strict-match` and `flexible-extract`) each score is named by metric and filter,
    `exact_match_flexible`, and the first filter's also by the metric alone, as lm-eval lists it first.
    """
    filters = filter_names(task)
    names = []
    for metric, aggregate in task.aggregation().items():
        better = bool(task.higher_is_better().get(metric, True))
        own = None if aggregate is mean else aggregate
        names.append(ScoreName(metric, metric, filters[0], better, own))
        if len(filters) > 1:
            suffixes = short_names(filters)
            names += [ScoreName(f"{metric}_{suffixes[f]}", metric, f, better, own) for f in filters]
    return names


def filter_names(task: Any) -> list[str]:
    """The names of a leaf task's filters, in order."""
    return [entry["name"] for entry in task.get_config("filter_list") or [{"name": "none"}]]


def short_names(filters: Sequence[str]) -> Mapping[str, str]:
    """The first word of each filter's name, or all of it where two share one."""
    words = {name: re.split(r"\W|_", name)[0] for name in filters}
    unique = len(set(words.values())) == len(words) and all(words.values())
    return words if unique else {name: re.sub(r"\W", "_", name) for name in filters}


def as_score(value: Any, name: str, task: str) -> float | None:
    """A per-sample value of a metric whose aggregate is the mean.

    Raises:
        TaskError: it is no number.
    """
    if value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TaskError(
            f"lm-eval task {task!r}: metric {name!r} has the per-sample value {value!r}, which is no number",
            "give the metric an aggregation of its own in the YAML",
        ) from None


def as_json(value: Any) -> Any:
    """A per-sample value of any kind as JSON: arrays and tuples become lists."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    return value
