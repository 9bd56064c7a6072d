"""Does a reward model score the better answer of held-out pairs higher, whichever of the two is longer?

Length is what reward models learn first where better answers are longer (Singhal et al. 2023, arXiv 2310.03716), and what is
trained on such rewards then writes at length.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.checks.data import Corpus
from harness.checks.overfitting.pair_margins import LEAST_OF_LENGTH, PairMargins, percent, points
from harness.checks.overfitting.preferences import HELD_OUT_PAIRS, pair_task
from harness.checks.overfitting.sampling import NEEDS_ROWS
from harness.gates import BoundRule
from harness.gates.wording import between
from harness.models.reward_models import RewardModel
from harness.stats import Interval
from harness.stats.mean import independent_difference
from harness.tasks.base import Item

_PAIRS_AT_ONCE = 4
_BOTH_LENGTHS = "hold out pairs whose better answer is the shorter one, and others"


def score_pairs(corpus: Corpus, model: RewardModel, size: int) -> PairMargins:
    """Of at most `size` held-out pairs the score of the better answer less that of the worse one."""
    items = pair_task(corpus, HELD_OUT_PAIRS, size).items
    scores: list[float] = []
    for start in range(0, len(items), _PAIRS_AT_ONCE):
        scores += model.scores([ids for item in items[start : start + _PAIRS_AT_ONCE] for ids in _tokens(item, model)])
    better, worse = (tuple(str(item.target[side]) for item in items) for side in ("chosen", "rejected"))
    margins = np.array(scores[::2], dtype=float) - np.array(scores[1::2], dtype=float)
    return PairMargins(tuple(item.id for item in items), better, worse, margins, tuple(item.cluster for item in items))


def reward_accuracy(pairs: PairMargins, limit: float) -> BoundRule:
    """Share of held-out pairs whose better answer has the higher score; at least a limit."""
    return BoundRule(
        "reward_accuracy",
        "at_least",
        limit,
        measure=pairs.accuracy,
        level=lambda share: f"the better answer of held-out pairs has the higher score in {between(share, percent)}",
        bound=percent,
        task=HELD_OUT_PAIRS,
        higher_is_better=True,
        independent=pairs.n_clusters,
        remedy="its scores do not tell better from worse answers that were held out: check that the two are not swapped, in "
        "training and validation alike; train longer, or on more pairs of this kind",
        needs=NEEDS_ROWS,
        details=pairs.details(),
    )


def length_bias(pairs: PairMargins, limit: float) -> BoundRule | None:
    """How much more often it is right where the better answer is longer than where it is shorter, or the other way round; at
    most a limit.

    A score that merely follows length is always right of the one and always wrong of the other. None with fewer than 10 held-out
    pairs of either.
    """
    shorter, other = pairs.where(pairs.shorter), pairs.where(~pairs.shorter)
    if min(len(shorter.names), len(other.names)) < LEAST_OF_LENGTH:
        return None
    longer_wins = (other.margins > 0).mean() >= (shorter.margins > 0).mean()
    over, under = (other, shorter) if longer_wins else (shorter, other)
    favoured = "longer" if longer_wins else "shorter"

    def measure(confidence: float) -> Interval:
        return independent_difference(over.accuracy(confidence), under.accuracy(confidence))

    return BoundRule(
        "length_bias",
        "at_most",
        limit,
        measure=measure,
        level=lambda gap: (
            f"its scores are right more often where the better answer is {favoured}, by {between(gap, points)}"
        ),
        bound=points,
        task=HELD_OUT_PAIRS,
        independent=min(over.n_clusters, under.n_clusters),
        remedy=f"its scores follow length: add pairs whose better answer is not the {favoured} one, or pairs of like length, and "
        "leave out some of the others; what is trained on such rewards writes by their length",
        needs=_BOTH_LENGTHS,
        details=pairs.details(),
    )


def _tokens(item: Item, model: RewardModel) -> Sequence[Sequence[int]]:
    """Prompt and answer apart, as they are in training."""
    from harness.engines.rendering import prompt_tokens

    tokenizer = model.tokenizer
    prompt = prompt_tokens(tokenizer, item.prompt)
    return [
        [*prompt, *tokenizer(item.target[side], add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        for side in ("chosen", "rejected")
    ]
