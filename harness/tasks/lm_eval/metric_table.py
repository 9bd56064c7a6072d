"""The metrics of a task, out of those of its subtasks."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from harness.metrics.base import GENERAL_METRICS, CorpusFunction, Metric
from harness.metrics.choices import GOLD_LOGPROB, choice_metrics
from harness.tasks.lm_eval.samples import is_plain_choice
from harness.tasks.lm_eval.scores import Aggregate, ScoreName, score_names
from harness.tasks.lm_eval.solutions import GOLD_SOLUTION, has_solutions
from harness.tasks.lm_eval.subtasks import Subtask

CHANCE_METRICS = ("acc", "acc_norm", "acc_bytes", "acc_mutual_info")


def metric_table(leaves: Sequence[Subtask], chance: float | None, binary: Collection[str]) -> dict[str, Metric]:
    """Metrics by name.

    Args:
        chance: the floor of accuracies; None where no question has choices.
        binary: names of the scores that have been measured and were always 0 or 1.
    """
    table: dict[str, Metric] = {}
    kinds = {leaf.task.OUTPUT_TYPE for leaf in leaves}
    if chance is not None:
        table |= {metric.name: metric for metric in choice_metrics(chance)}
    if "loglikelihood" in kinds:
        table.setdefault(GOLD_LOGPROB, Metric(GOLD_LOGPROB))
    if "generate_until" in kinds:
        table |= {metric.name: metric for metric in GENERAL_METRICS}
    if any(has_solutions(leaf) for leaf in leaves):
        table[GOLD_SOLUTION] = Metric(GOLD_SOLUTION)
    return {**library_metrics(leaves, chance, binary), **table}


def library_metrics(leaves: Sequence[Subtask], chance: float | None, binary: Collection[str]) -> dict[str, Metric]:
    """lm-eval's own metrics by name, in its order; the arguments are those of `metric_table`."""
    table: dict[str, Metric] = {}
    for leaf in leaves:
        for score in score_names(leaf.task):
            table.setdefault(score.name, _metric(score, leaf, chance, score.name in binary))
    return table


def _metric(score: ScoreName, leaf: Subtask, chance: float | None, binary: bool) -> Metric:
    floor = None
    if score.metric in CHANCE_METRICS and is_plain_choice(leaf):
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
