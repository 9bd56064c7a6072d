"""Do sampled answers earn more by being better? Or by being longer, and do they still differ from each other?"""

from __future__ import annotations

import math
from itertools import pairwise

from harness.checks.training.curves import noise
from harness.checks.training.quantities import (
    LEAST_VALUES,
    NOISE_ERRORS,
    first_mean,
    last_mean,
    quarter,
    shown,
    values_of,
)
from harness.gates import Scalar
from harness.training.history import TrainingHistory

_LONGER = 1.25
_SLOPE_ERRORS = 2.0
_LITTLE_ENTROPY = 0.2  # nats a token: such answers were nearly certain before


def paid_for_length(history: TrainingHistory) -> Scalar | None:
    """Share of the rise of the reward that longer answers alone explain; at most a limit.

    Where the harness trained, that is the share of what rewards of answers to one prompt differ by that their lengths explain, in
    the first quarter of the log: what is taught before all answers are long. Elsewhere, what a token more earns is told by
    steps that follow each other, between which the policy hardly moves: differences of the reward on those of the mean length,
    less two standard errors. That, times how much longer answers became, is held against the rise. 0 where the reward did not
    rise, or answers are not a quarter longer. None where either was logged too seldom.
    """
    rewards, lengths = dict(history.quantity("reward")), dict(history.quantity("whole_length"))
    steps = [step for step in rewards if step in lengths]
    if len(steps) < 2 * LEAST_VALUES:
        return None
    of_reward, of_length = [rewards[step] for step in steps], [lengths[step] for step in steps]
    rise, grown = last_mean(of_reward) - first_mean(of_reward), last_mean(of_length) - first_mean(of_length)
    by_chance = NOISE_ERRORS * noise(of_reward) * math.sqrt(2 / quarter(of_reward))
    a_token = _slope(_differences(of_length), _differences(of_reward))
    grew = rise > by_chance and last_mean(of_length) >= _LONGER * first_mean(of_length)
    correlations = values_of(history, "length_correlation")
    within = None if correlations is None else max(0.0, first_mean(correlations)) ** 2
    explained = within if within is not None else a_token * grown / rise if rise else 0.0
    return Scalar(
        "reward_by_length",
        max(0.0, explained) if grew else 0.0,
        higher_is_better=False,
        remedy="the reward rose as answers grew longer, and by little that length does not explain: reward what is right "
        "in them, take off a little for each token, or compare answers of like length",
        details=shown(history, rise=rise, longer_by_tokens=grown, reward_a_token=a_token),
    )


def entropy_left(history: TrainingHistory) -> Scalar | None:
    """How much of the entropy of sampled answers is left at the end, as a share of its start; at least a limit.

    None where it was not logged often enough, or answers were nearly certain from the start (0.2 nats a token).
    """
    values = values_of(history, "entropy")
    if values is None or first_mean(values) < _LITTLE_ENTROPY:
        return None
    start, end = first_mean(values), last_mean(values)
    return Scalar(
        "entropy_left",
        end / start,
        remedy="all sampled answers became one, and there is nothing left to learn from: keep an earlier checkpoint, lower the "
        "learning rate, raise beta, epsilon_high or entropy_coef, and see that no one answer to everything earns the reward",
        details=shown(history, start=start, end=end),
    )


def _differences(values: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(values)]


def _slope(x: list[float], y: list[float]) -> float:
    """Of y on x through 0, two standard errors nearer to 0; 0 where it is not above them."""
    spread = sum(one**2 for one in x)
    if not spread:
        return 0.0
    slope = sum(a * b for a, b in zip(x, y, strict=True)) / spread
    left = sum((b - slope * a) ** 2 for a, b in zip(x, y, strict=True))
    return max(0.0, slope - _SLOPE_ERRORS * math.sqrt(left / (len(x) - 1) / spread))
