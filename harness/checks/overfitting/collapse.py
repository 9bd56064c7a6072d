"""Did the way of answering collapse: loops, answers that grow longer, answers that are all alike?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.checks.ending import ending_remedy
from harness.checks.overfitting.sampling import HELD_OUT, NEEDS_ROWS
from harness.errors import UndecidedError
from harness.gates import BoundRule, Comparison, Measurement, Rule, Scalar
from harness.gates.wording import between
from harness.metrics.base import LENGTH, STOPS, Metric
from harness.metrics.diversity import compression_ratio, distinct, self_bleu
from harness.safety.refusal.degenerate import has_repetition_loop
from harness.stats import Interval, statistic_interval

# A base that loops on everything leaves nothing to lose.
REPETITION = Metric("repetition", kind="binary", higher_is_better=False, floor=1.0)
_SHORTER = "shorten the answers in the training data, or check that each ends in EOS"
_ALIKE = (
    "answers have become alike: train for fewer epochs, lower the learning rate, or make the training rows more varied"
)
_WORDS_IN_A_ROW = 2
_LEAST_ANSWERS = 2


def repetition(answers: Comparison) -> Measurement:
    """1 for each answer with a repetition loop, of base and candidate."""
    base, candidate = ([has_repetition_loop(pair[side].answer) for pair in answers.pairs] for side in (0, 1))
    return answers.marks(REPETITION, base, candidate)


def answers_still_end(answers: Comparison, limit: float) -> Rule:
    """As large a share of answers as the base's ends by itself, but for the limit."""
    return answers.metric(STOPS).non_inferior(limit, remedy=ending_remedy(answers))


def length_over_base(answers: Comparison, limit: float) -> BoundRule:
    """The candidate's answer tokens over the base's, each with its end; an answer at its cap counts as long as the cap."""
    measured = answers.metric(LENGTH)
    return _ratio(
        "length_over_base",
        "the candidate's answers have so many times the tokens of the base's:",
        measured,
        limit,
        over=np.asarray(measured.base) + 1,
        under=measured.candidate + 1,
        remedy=f"where longer answers are wanted, raise `overfitting.length_over_base`; else {_SHORTER}",
    )


def length_over_targets(answers: Comparison, limit: float) -> BoundRule:
    """The candidate's answers over those taught, in characters: of held-out rows where there are any, else of all."""
    held_out = any(sample.tags.get("rows") == HELD_OUT for sample in answers.candidate)
    measured = (answers.where(rows=HELD_OUT) if held_out else answers).metric(LENGTH)
    texts = {sample.item_id: sample.answer for sample in answers.candidate}
    return _ratio(
        "length_over_targets",
        "the candidate's answers have so many times the characters of those taught:",
        measured,
        limit,
        over=np.array([len(str(target)) + 1.0 for target in measured.targets]),
        under=np.array([len(texts[item]) + 1.0 for item in measured.item_ids]),
        remedy=_SHORTER,
    )


def _ratio(
    name: str,
    words: str,
    measured: Measurement,
    limit: float,
    *,
    over: NDArray[np.float64],
    under: NDArray[np.float64],
    remedy: str,
) -> BoundRule:
    """Ratio of the sums of `under` and `over`, both shape (n,) and above 0."""

    def interval(confidence: float) -> Interval:
        return statistic_interval(
            lambda items: float(under[items].sum() / over[items].sum()),
            measured.n,
            clusters=measured.clusters,
            confidence=confidence,
        )

    longest = np.argsort(over - under, kind="stable")[:5]
    return BoundRule(
        name,
        "at_most",
        limit,
        measure=interval,
        level=lambda ratio: f"{words} {between(ratio, '{:.3g}'.format)}",
        bound="{:.3g}".format,
        task=measured.task,
        independent=measured.n_clusters,
        of_both=True,
        needs=NEEDS_ROWS,
        remedy=remedy,
        details={
            "mean_before": float(over.mean()) - 1,
            "mean_of_candidate": float(under.mean()) - 1,
            "longest": [
                {"item": measured.item_ids[i], "before": over[i] - 1, "candidate": under[i] - 1} for i in longest
            ],
        },
    )


def distinct_2(answers: Comparison) -> Scalar:
    """Distinct word pairs, as a share of those of base or targets, the fewer; at least a limit.

    The less varied of base and targets is the measure here and below: an adapter that gives short answers of one form is
    less varied than its base and should be; one whose answers are less varied than those it was taught has collapsed.

    Raises:
        UndecidedError: one answer alone is neither.
    """
    values = _of_each_side(answers, lambda texts: distinct(texts, _WORDS_IN_A_ROW))
    return Scalar("distinct_2", _share_of(values, min), remedy=_ALIKE, details={"values": values})


def self_bleu_rise(answers: Comparison) -> Scalar:
    """Rise of self-BLEU over that of base or targets, the higher; at most a limit.

    Raises:
        UndecidedError: there is but one answer.
    """
    values = _of_each_side(answers, self_bleu)
    rise = values["candidate"] - max(values["base"], values["targets"])
    return Scalar("self_bleu", rise, higher_is_better=False, remedy=_ALIKE, details={"values": values})


def compression(answers: Comparison) -> Scalar:
    """Compression ratio over that of base or targets, the higher; at most a limit.

    Raises:
        UndecidedError: there is but one answer.
    """
    values = _of_each_side(answers, compression_ratio)
    ratio = _share_of(values, max)
    return Scalar("compression_ratio", ratio, higher_is_better=False, remedy=_ALIKE, details={"values": values})


def _of_each_side(answers: Comparison, measure: Callable[[Sequence[str]], float]) -> Mapping[str, float]:
    if len(answers.pairs) < _LEAST_ANSWERS:
        given = f"{len(answers.pairs)} answer{'' if len(answers.pairs) == 1 else 's'}"
        raise UndecidedError(
            f"{answers.task.name}: {given} given, and variety shows in {_LEAST_ANSWERS} or more",
            "measure more rows (`overfitting:` in assay.yaml), or give the training data more",
        )
    texts = {
        "base": [base.answer for base, _ in answers.pairs],
        "candidate": [candidate.answer for _, candidate in answers.pairs],
        "targets": [str(candidate.target) for _, candidate in answers.pairs],
    }
    return {side: measure(of_side) for side, of_side in texts.items()}


def _share_of(values: Mapping[str, float], less_varied: Callable[[float, float], float]) -> float:
    """The candidate's value over the less varied one; 1 where a base that says nothing leaves nothing to lose."""
    measure = less_varied(values["base"], values["targets"])
    return values["candidate"] / measure if measure else 1.0
