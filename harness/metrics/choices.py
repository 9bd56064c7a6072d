"""How good the probabilities are that a model gives to the choices of a question.

A parsed answer here is `{"choice_logprobs": [...], "gold": i, "choice": i}`: the log-likelihood of each choice in nats
(need not be normalised), the index of the right one and of the likeliest one. `gold` is None where a question has no
single right choice; such questions are left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from harness.metrics.base import Metric

GOLD_LOGPROB = "gold_logprob"
GOLD_PROB = "gold_prob"
BRIER = "brier_score"
OVERCONFIDENCE = "overconfidence"
CALIBRATION_ERROR = "ece"
_BINS = 15


def choice_probabilities(logprobs: Sequence[float]) -> list[float]:
    """The softmax of the choices' log-likelihoods."""
    highest = max(logprobs)
    if highest == -math.inf:
        return [1 / len(logprobs)] * len(logprobs)
    weights = [math.exp(value - highest) for value in logprobs]
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def brier(logprobs: Sequence[float], gold: int) -> float:
    """Squared distance of the choice probabilities from the right answer: 0 is perfect, 2 the worst.

    Source: Brier 1950, Verification of forecasts expressed in terms of probability, eq. 2 (all classes summed), for
    one question. The Brier score of a set is the mean.
    """
    return math.fsum((p - (i == gold)) ** 2 for i, p in enumerate(choice_probabilities(logprobs)))


def overconfidence(logprobs: Sequence[float], gold: int) -> float:
    """Probability of the likeliest choice, less 1 where it is right: from -1 to 1.

    The mean over a set is mean confidence minus accuracy: above 0 where the model is surer than it is right. Unlike
    the expected calibration error it is a mean of items, so its differences between two models are unbiased.
    """
    probabilities = choice_probabilities(logprobs)
    confidence = max(probabilities)
    return confidence - (probabilities.index(confidence) == gold)


def choice_scores(logprobs: Sequence[float], gold: int) -> dict[str, float]:
    """The per-sample scores of one question: gold log-likelihood (nats), gold probability, Brier score, overconfidence."""
    return {
        GOLD_LOGPROB: logprobs[gold],
        GOLD_PROB: choice_probabilities(logprobs)[gold],
        BRIER: brier(logprobs, gold),
        OVERCONFIDENCE: overconfidence(logprobs, gold),
    }


def expected_calibration_error(targets: Sequence[Any], parsed: Sequence[Any]) -> float:
    """How far confidence is from accuracy: 0 is calibrated, 1 the worst.

    Confidence is the probability of the likeliest choice; questions fall into 15 bins (m-1)/15 < confidence <= m/15,
    and the absolute differences of accuracy and mean confidence are averaged, weighted by the bins' sizes. Chance alone
    makes it positive, the more so the fewer the questions and the better the model (Kumar et al. 2019, Verified
    uncertainty calibration, arXiv 1909.10155): resampled from 120 questions, a rise by 5 points is passed as less than
    that 10% of the time where 2.5% is stated. It is to be read, and two models are gated on `overconfidence`.

    Source: Guo et al. 2017, On calibration of modern neural networks, eq. 3 (arXiv 1706.04599).

    Raises:
        ValueError: there is no question with a right choice.
    """
    answers = _judged(parsed)
    surplus = [0.0] * _BINS
    for answer in answers:
        probabilities = choice_probabilities(answer["choice_logprobs"])
        confidence = max(probabilities)
        correct = probabilities.index(confidence) == answer["gold"]
        surplus[max(math.ceil(confidence * _BINS) - 1, 0)] += confidence - correct
    return math.fsum(abs(value) for value in surplus) / len(answers)


def choice_metrics(chance: float) -> tuple[Metric, ...]:
    """The metrics of multiple-choice answers.

    Args:
        chance: mean of 1 / number of choices; what an ignorant model gives to the right choice.
    """
    return (
        Metric(GOLD_LOGPROB),
        Metric(GOLD_PROB, floor=chance, bounds=(0.0, 1.0)),
        Metric(BRIER, higher_is_better=False, bounds=(0.0, 2.0)),
        Metric(OVERCONFIDENCE, higher_is_better=False, bounds=(-1.0, 1.0)),
        Metric(
            CALIBRATION_ERROR,
            higher_is_better=False,
            corpus=expected_calibration_error,
            bounds=(0.0, 1.0),
            gate_instead=OVERCONFIDENCE,
        ),
    )


def _judged(parsed: Sequence[Any]) -> list[Mapping[str, Any]]:
    answers = [answer for answer in parsed if answer["gold"] is not None]
    if not answers:
        raise ValueError("no question has a single right choice")
    return answers
