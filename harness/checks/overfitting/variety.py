"""Do answers still differ? Against those of the base and those taught: the less varied of the two is the measure.

An adapter that gives short answers of one form is less varied than its base and should be; one whose answers are less varied
than those it was taught has collapsed. One answer alone is neither: each measure raises `UndecidedError` then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from harness.errors import UndecidedError
from harness.gates import Comparison, Scalar
from harness.metrics.diversity import compression_ratio, distinct, self_bleu

_REMEDY = (
    "answers have become alike: train for fewer epochs, lower the learning rate, or make the training rows more varied"
)
_WORDS_IN_A_ROW = 2
_LEAST_ANSWERS = 2


def distinct_2(answers: Comparison) -> Scalar:
    """Distinct word pairs, as a share of those of base or targets, the fewer; at least a limit."""
    values = _values(answers, lambda texts: distinct(texts, _WORDS_IN_A_ROW))
    return Scalar("distinct_2", _over(values, min), remedy=_REMEDY, details={"values": values})


def self_bleu_rise(answers: Comparison) -> Scalar:
    """Rise of self-BLEU over that of base or targets, the higher; at most a limit."""
    values = _values(answers, self_bleu)
    rise = values["candidate"] - max(values["base"], values["targets"])
    return Scalar("self_bleu", rise, higher_is_better=False, remedy=_REMEDY, details={"values": values})


def compression(answers: Comparison) -> Scalar:
    """Compression ratio over that of base or targets, the higher; at most a limit."""
    values = _values(answers, compression_ratio)
    share = _over(values, max)
    return Scalar("compression_ratio", share, higher_is_better=False, remedy=_REMEDY, details={"values": values})


def _values(answers: Comparison, measure: Callable[[Sequence[str]], float]) -> Mapping[str, float]:
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


def _over(values: Mapping[str, float], less_varied: Callable[[float, float], float]) -> float:
    """The candidate's value as a share of the measure; 1 where a base that says nothing leaves nothing to lose."""
    measure = less_varied(values["base"], values["targets"])
    return values["candidate"] / measure if measure else 1.0
