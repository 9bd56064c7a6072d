"""Metrics of a written answer, asked for by name: what a task's `metrics:` adds to those of its kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.engines.requests import Generation
from harness.errors import TaskError
from harness.metrics import assertions, overlap
from harness.metrics.assertions import AssertionKind
from harness.metrics.base import Metric
from harness.metrics.matching import normalize_squad, token_f1
from harness.metrics.rubric import RUBRIC, RubricKind
from harness.metrics.words import WORDS_REVISION
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

    @property
    def identity(self) -> tuple[Any, ...]:
        """What of it decides a score, for the digest of the task."""
        return (self.name, self.revision)

    def of(self, answer: Generation, target: Any) -> float:
        """The score of one answer."""
        return self.score(answer.text.strip(), target)


ANSWER_METRICS: Registry[AnswerMetric | AssertionKind | RubricKind] = Registry("register_metrics", "metric", TaskError)


def _exact_match(answer: str, target: str | list[str]) -> float:
    return float(normalize_squad(answer) in map(normalize_squad, overlap.as_references(target)))


def _token_f1(answer: str, target: str | list[str]) -> float:
    given = normalize_squad(answer)
    return max(token_f1(given, normalize_squad(gold)) for gold in overlap.as_references(target))


def _overlap(name: str, score: Callable[[str, list[str]], float]) -> AnswerMetric:
    return AnswerMetric(
        Metric(name, bounds=(0.0, 1.0)),
        lambda answer, target: score(answer, overlap.as_references(target)),
        WORDS_REVISION,
    )


SHIPPED = (
    AnswerMetric(Metric("exact_match", kind="binary", floor=0.0), _exact_match, WORDS_REVISION),
    AnswerMetric(Metric("token_f1", bounds=(0.0, 1.0)), _token_f1, WORDS_REVISION),
    _overlap("rouge1", lambda answer, golds: overlap.rouge(answer, golds)["rouge1"]),
    _overlap("rouge2", lambda answer, golds: overlap.rouge(answer, golds)["rouge2"]),
    _overlap("rougeL", lambda answer, golds: overlap.rouge(answer, golds)["rougeL"]),
    _overlap("sentence_bleu", overlap.sentence_bleu),
    _overlap("sentence_chrf", overlap.sentence_chrf),
    *assertions.SHIPPED,
    RUBRIC,
)
