"""A reward model is held to pairs of both kinds: those whose better answer is the longer one, and those where it is not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from harness.checks.overfitting import length_bias, reward_accuracy
from harness.checks.overfitting.pair_margins import PairMargins
from harness.config import OverfittingThresholds

LIMITS = OverfittingThresholds()
PAIRS = 60


def pairs(margin: Callable[[int, bool], float], *, longer_every: int = 2) -> PairMargins:
    """Pairs, every so many with the longer answer for the better one, ahead by that rule of number and length."""
    longer = [i % longer_every == 0 for i in range(PAIRS)]
    return PairMargins(
        names=tuple(f"row {i}" for i in range(PAIRS)),
        better=tuple("good and long" if one else "good" for one in longer),
        worse=tuple("bad one" for _ in longer),
        margins=np.array([margin(i, one) for i, one in enumerate(longer)]),
        clusters=None,
    )


def test_scores_that_tell_answers_apart_pass() -> None:
    good = pairs(lambda i, longer: -0.5 if i % 10 == 0 else 1.0)
    assert reward_accuracy(good, LIMITS.preference_accuracy).decide().outcome == "pass"
    bias = length_bias(good, LIMITS.length_bias)
    assert bias is not None and bias.decide().outcome == "pass"


@pytest.mark.parametrize(("sign", "favoured"), [(1, "longer"), (-1, "shorter")])
def test_scores_that_follow_length_fail_though_most_pairs_are_right(sign: int, favoured: str) -> None:
    by_length = pairs(lambda i, longer: sign * (1.0 if longer else -1.0), longer_every=4 if sign < 0 else 2)
    bias = length_bias(by_length, LIMITS.length_bias)
    assert bias is not None
    verdict = bias.decide()
    assert (verdict.gate, verdict.outcome) == ("held_out_pairs/length_bias/at_most", "fail")
    assert verdict.estimate is not None and verdict.estimate.value == 1.0
    assert f"the better answer is {favoured}" in verdict.reason and f"not the {favoured} one" in verdict.remedy


def test_a_model_that_is_somewhat_better_at_long_answers_is_no_model_of_length() -> None:
    somewhat = pairs(lambda i, longer: 1.0 if longer or i % 5 else -1.0)
    bias = length_bias(somewhat, LIMITS.length_bias)
    assert bias is not None and bias.decide().outcome == "pass"


def test_pairs_of_one_kind_say_nothing_of_length() -> None:
    assert length_bias(pairs(lambda i, longer: 1.0, longer_every=10), LIMITS.length_bias) is None


def test_ties_are_not_right() -> None:
    verdict = reward_accuracy(pairs(lambda i, longer: 0.0), LIMITS.preference_accuracy).decide()
    assert verdict.outcome == "fail"
