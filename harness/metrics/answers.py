"""Metrics of a written answer, asked for by name: what a task's `metrics:` adds to those of its kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.errors import TaskError
from harness.metrics.base import Metric
from harness.plugins import Registry


@dataclass(frozen=True)
class AnswerMetric:
    """A metric that one answer and its target suffice for.

    Attributes:
        metric: its name, range and aggregate. `Metric.corpus`, if given, is called with the targets and with what the
            task's kind parsed of the answers; otherwise the scores' mean counts.
        score: (answer without outer white space, target) -> score; of some kinds the target is a list of texts, each right.
        revision: raise it when scores change, so that runs before and after are not compared.
    """

    metric: Metric
    score: Callable[[str, Any], float]
    revision: int = 1

    @property
    def name(self) -> str:
        """The metric's."""
        return self.metric.name


ANSWER_METRICS: Registry[AnswerMetric] = Registry("register_metrics", "metric", TaskError)
