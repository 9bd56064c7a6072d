"""Metrics that every generated answer has, whatever the task."""

from __future__ import annotations

from collections.abc import Mapping

from harness.engines.requests import Answer, Generation
from harness.metrics.base import Metric

STOPS = "stops_with_eos"
LENGTH = "answer_tokens"

GENERAL_METRICS = (
    Metric(STOPS, kind="binary"),
    Metric(LENGTH, kind="continuous", higher_is_better=False),
)


def general_scores(answer: Answer) -> Mapping[str, float]:
    """`stops_with_eos`: 1 where the answer ended by itself (EOS or the task's stop text), 0 at its
    cap; `answer_tokens`: its length. Nothing for log-likelihoods.
    """
    if not isinstance(answer, Generation):
        return {}
    return {STOPS: float(answer.stop_reason != "length"), LENGTH: float(answer.completion_tokens)}
