"""What subtasks measure: lm-eval's metrics under the names that samples carry, and the metrics of a whole task."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from lm_eval.api.metrics import mean

from harness.errors import TaskError
from harness.metrics.base import GENERAL_METRICS, CorpusFunction, Metric
from harness.metrics.choices import GOLD_LOGPROB, choice_metrics
from harness.tasks.lm_eval.metric_names import GOLD_SOLUTION, names_of_scores
from harness.tasks.lm_eval.subtasks import Subtask

CHANCE_METRICS = ("acc", "acc_norm", "acc_bytes", "acc_mutual_info")

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
    """The scores a subtask declares."""
    filters = filter_names(task)
    names = []
    for metric, aggregate in task.aggregation().items():
        better = bool(task.higher_is_better().get(metric, True))
        own = None if aggregate is mean else aggregate
        names += [ScoreName(name, metric, one, better, own) for name, one in names_of_scores(metric, filters).items()]
    return names


def filter_names(task: Any) -> list[str]:
    """The names of a subtask's filters, in order."""
    return [entry["name"] for entry in task.get_config("filter_list") or [{"name": "none"}]]


def metric_table(subtasks: Sequence[Subtask], chance: float | None, binary: Collection[str]) -> dict[str, Metric]:
    """Metrics by name.

    Args:
        chance: the floor of accuracies; None where no question has choices.
        binary: names of the scores that have been measured and were always 0 or 1.
    """
    table: dict[str, Metric] = {}
    kinds = {subtask.task.OUTPUT_TYPE for subtask in subtasks}
    if chance is not None:
        table |= {metric.name: metric for metric in choice_metrics(chance)}
    if "loglikelihood" in kinds:
        table.setdefault(GOLD_LOGPROB, Metric(GOLD_LOGPROB))
    if "generate_until" in kinds:
        table |= {metric.name: metric for metric in GENERAL_METRICS}
    if any(subtask.has_solutions for subtask in subtasks):
        table[GOLD_SOLUTION] = Metric(GOLD_SOLUTION)
    return {**library_metrics(subtasks, chance, binary), **table}


def library_metrics(subtasks: Sequence[Subtask], chance: float | None, binary: Collection[str]) -> dict[str, Metric]:
    """lm-eval's own metrics by name, in its order; the arguments are those of `metric_table`."""
    table: dict[str, Metric] = {}
    for subtask in subtasks:
        for score in score_names(subtask.task):
            table.setdefault(score.name, _metric(score, subtask, chance, score.name in binary))
    return table


def _metric(score: ScoreName, subtask: Subtask, chance: float | None, binary: bool) -> Metric:
    floor = None
    if score.metric in CHANCE_METRICS and subtask.is_plain_choice:
        floor = chance
    elif score.metric == "exact_match":
        floor = 0.0
    return Metric(
        score.name,
        kind="binary" if binary else "continuous",
        higher_is_better=score.higher_is_better,
        floor=floor,
        corpus=_corpus(score.name, score.aggregate) if score.aggregate is not None else None,
    )


def _corpus(name: str, aggregate: Aggregate) -> CorpusFunction:
    return lambda targets, parsed: float(aggregate([answer["values"][name] for answer in parsed]))


def as_score(value: Any, name: str, task: str) -> float | None:
    """A per-sample value of a metric whose aggregate is the mean."""
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
