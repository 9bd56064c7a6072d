"""What a metric is: a number per sample, and how numbers become one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.engines.requests import Answer, Generation

CorpusFunction = Callable[[Sequence[Any], Sequence[Any]], float]


@dataclass(frozen=True)
class Metric:
    """A named score.

    Attributes:
        kind: `binary` scores are exactly 0 or 1; `continuous` may be any finite number.
        floor: the value a model without the skill reaches (chance). A comparison whose base sits at
            its floor cannot show forgetting.
        corpus: for aggregates that are not a mean of per-sample scores (macro F1, corpus BLEU):
            called with the targets and the parsed predictions, in item order. None: the mean.
        bounds: no score of a continuous metric can lie outside; None where there are none.
        gate_instead: another metric, where the difference of two models by this one is biased, so that a gate on it
            would not keep its error rate; None where it is not.
        unread: of a judge's scores, the largest share of items of which a verdict may be unreadable, on either side: those
            are left out, and with more nothing is decided. None where every item has a score.
        is_optional: of a model that is run by what cannot tell it (`UnanswerableError`) no item has a score.
    """

    name: str
    kind: Literal["binary", "continuous"] = "continuous"
    higher_is_better: bool = True
    floor: float | None = None
    corpus: CorpusFunction | None = None
    bounds: tuple[float, float] | None = None
    gate_instead: str | None = None
    unread: float | None = None
    is_optional: bool = False

    @property
    def range(self) -> tuple[float, float] | None:
        """The lowest and the highest score there can be; None where there is none."""
        return (0.0, 1.0) if self.kind == "binary" else self.bounds


def main_metric(metrics: Sequence[Metric]) -> str:
    """The metric a task is known by: accuracy, exact match, or else the first of which more is better.

    Args:
        metrics: one or more, in the task's own order.
    """
    names = [metric.name for metric in metrics]
    better_high = [metric.name for metric in metrics if metric.higher_is_better]
    return next(iter([name for name in ("acc", "exact_match") if name in names] + better_high + names))


STOPS = "stops_with_eos"
LENGTH = "answer_tokens"

THOUGHT_LENGTH = "reasoning_tokens"
UNFINISHED = "unfinished_thought"

GENERAL_METRICS = (
    Metric(STOPS, kind="binary"),
    Metric(LENGTH, kind="continuous", higher_is_better=False),
    Metric(THOUGHT_LENGTH, kind="continuous", higher_is_better=False),
    Metric(UNFINISHED, kind="binary", higher_is_better=False),
)


def general_scores(answer: Answer) -> Mapping[str, float]:
    """`stops_with_eos`: 1 where the answer ended by itself (EOS or the task's stop text), 0 at its
    cap; `answer_tokens`: its length, without a thought before it. Where models think: `reasoning_tokens`, the length of the
    thought, and `unfinished_thought`, 1 where no answer came of it. Nothing for log-likelihoods.
    """
    if not isinstance(answer, Generation):
        return {}
    scores = {STOPS: float(answer.stop_reason != "length"), LENGTH: float(answer.completion_tokens)}
    if answer.thought is not None:
        scores[LENGTH] -= answer.thought.tokens
        scores |= {THOUGHT_LENGTH: float(answer.thought.tokens), UNFINISHED: float(not answer.thought.finished)}
    return scores
