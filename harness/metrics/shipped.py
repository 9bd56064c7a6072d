"""The metrics of a written answer that ship."""

from __future__ import annotations

from functools import partial

from harness.hookspecs import Register, hookimpl
from harness.metrics import overlap
from harness.metrics.answers import AnswerMetric
from harness.metrics.base import Metric
from harness.metrics.overlap import as_references
from harness.metrics.short_answers import normalize_squad, token_f1


@hookimpl
def register_metrics(register: Register) -> None:
    """Those of short answers as SQuAD defines them, and overlap with references, each the mean over answers."""
    register(AnswerMetric(Metric("exact_match", kind="binary", floor=0.0), _exact_match))
    register(AnswerMetric(Metric("token_f1", bounds=(0.0, 1.0)), _token_f1))
    for name in overlap.ROUGE_TYPES:
        register(AnswerMetric(Metric(name, bounds=(0.0, 1.0)), partial(_rouge, name)))
    for name, score in (("sentence_bleu", overlap.sentence_bleu), ("sentence_chrf", overlap.sentence_chrf)):
        register(AnswerMetric(Metric(name, bounds=(0.0, 1.0)), partial(_overlap, score)))


def _exact_match(answer: str, target: str | list[str]) -> float:
    return float(normalize_squad(answer) in map(normalize_squad, as_references(target)))


def _token_f1(answer: str, target: str | list[str]) -> float:
    given = normalize_squad(answer)
    return max(token_f1(given, normalize_squad(gold)) for gold in as_references(target))


def _rouge(name: str, answer: str, target: str | list[str]) -> float:
    return overlap.rouge(answer, as_references(target))[name]


def _overlap(score: overlap.SentenceScore, answer: str, target: str | list[str]) -> float:
    return score(answer, as_references(target))
