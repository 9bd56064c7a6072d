"""Aggregates of a whole task by name, for who has a run's samples and not its tasks."""

from __future__ import annotations

from harness.metrics.answers import ANSWER_METRICS, AnswerMetric
from harness.metrics.base import CorpusFunction
from harness.metrics.classification import macro_f1, macro_precision, macro_recall

_SHIPPED: dict[str, CorpusFunction] = {
    "macro_precision": macro_precision,
    "macro_recall": macro_recall,
    "macro_f1": macro_f1,
}


def corpus_function(metric: str) -> CorpusFunction | None:
    """How targets and parsed answers become this metric; None where it is no aggregate that is known here."""
    if metric in _SHIPPED:
        return _SHIPPED[metric]
    known = ANSWER_METRICS.get(metric) if metric in ANSWER_METRICS else None
    return known.metric.corpus if isinstance(known, AnswerMetric) else None
