"""What a method is for, beside a falling loss: rewards, margins of preferred answers, distance from the reference, and how
sampled answers change. Each is a gate where the log has it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping

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
from harness.config import TrainingThresholds
from harness.gates import BoundRule, Scalar
from harness.training.history import TrainingHistory
from harness.training.methods import Quantity

_SOLVED = 0.95  # of the best reward of a log
_RAISE: Mapping[str, str] = {
    "reward": "check the reward functions on answers that you know to be good and bad, and that answers to one prompt differ "
    "in reward; change the learning rate",
    "margin": "check that chosen and rejected (or the labels) are not swapped and that the reference is the base; change the "
    "learning rate",
}
_AT_THE_END: Mapping[Quantity, tuple[str, str]] = {
    "accuracy": (
        "preference_accuracy",
        f"preferred answers are ahead no more often than by chance: {_RAISE['margin']}",
    ),
    "cut": (
        "cut_completions",
        "most sampled answers never end, and were rewarded as torsos: raise max_completion_length, check that the base ends "
        "its answers in its EOS, or reward answers that end",
    ),
    "clipped": (
        "clipped_updates",
        "the policy moves farther between samplings than its objective holds for: lower the learning rate or num_iterations, "
        "use larger batches",
    ),
}
"""Quantities held to a limit by the last quarter of the log -> the gate's name, and what to do."""


def method_gates(history: TrainingHistory, rules: TrainingThresholds) -> Mapping[str, BoundRule | None]:
    """What is asked of a training on rewards or preferences, by what it looks at; None where that was not logged often enough."""
    return {
        "rise of the reward or margin": _at_least(gain(history), rules.gain),
        "what was kept of that rise": _at_least(kept_gain(history), rules.kept_gain),
        "accuracy of preferences": _at_least(at_the_end(history, "accuracy"), rules.preference_accuracy),
        "KL divergence from the reference": stays_near_the_reference(history, rules),
        "length of sampled answers": _at_most(completion_length_change(history), rules.completion_length_change),
        "share of cut answers": _at_most(at_the_end(history, "cut"), rules.cut_completions),
        "spread of rewards": _at_most(without_spread(history), rules.no_reward_spread),
        "share of clipped updates": _at_most(at_the_end(history, "clipped"), rules.clipped_updates),
    }


def at_the_end(history: TrainingHistory, quantity: Quantity) -> Scalar | None:
    """A quantity of `_AT_THE_END` in the last quarter of the log; None where it was not logged often enough."""
    values = values_of(history, quantity)
    if values is None:
        return None
    name, remedy = _AT_THE_END[quantity]
    is_accuracy = quantity == "accuracy"
    return Scalar(
        name,
        last_mean(values),
        higher_is_better=is_accuracy,
        error=noise(values) / math.sqrt(quarter(values)) if is_accuracy else 0.0,
        remedy=remedy,
        details=shown(history, start=first_mean(values), largest=max(values)),
    )


def _at_least(measured: Scalar | None, limit: float) -> BoundRule | None:
    return None if measured is None else measured.at_least(limit)


def _at_most(measured: Scalar | None, limit: float) -> BoundRule | None:
    return None if measured is None else measured.at_most(limit)


def gain(history: TrainingHistory) -> Scalar | None:
    """Rise of what the method maximises, from the first to the last quarter of the log; at least a limit.

    That is the reward, or the margin of preferred over rejected answers: NaN where that margin is one number throughout, as of
    weights that were never trained (a reward may be, where all was solved from the start). None where neither was logged often
    enough.
    """
    found = _maximised(history)
    if found is None:
        return None
    name, values = found
    start, end = first_mean(values), last_mean(values)
    never_moved = name == "margin" and len(set(values)) == 1
    return Scalar(
        f"{name}_rise",
        math.nan if never_moved else end - start,
        error=noise(values) * math.sqrt(2 / quarter(values)),
        remedy=f"the {name} did not rise: {_RAISE[name]}",
        details=shown(history, start=start, end=end),
    )


def kept_gain(history: TrainingHistory) -> Scalar | None:
    """How much of the best rise of the same the kept weights still have; at least a limit.

    Beginning, peak and end are means of a quarter of the values. Three standard errors of a difference of two such are no
    loss. None as for `gain`.
    """
    found = _maximised(history)
    if found is None:
        return None
    name, values = found
    size = quarter(values)
    means = [statistics.fmean(values[i : i + size]) for i in range(len(values) - size + 1)]
    peak, start, end = max(means), means[0], means[-1]
    lost = max(0.0, peak - end - NOISE_ERRORS * noise(values) * math.sqrt(2 / size))
    return Scalar(
        f"kept_{name}_rise",
        1 - lost / (peak - start) if lost and peak > start else 1.0,
        remedy=f"the {name} rose and fell again: keep an earlier checkpoint; lower the learning rate",
        details=shown(history, start=start, peak=peak, end=end),
    )


def stays_near_the_reference(history: TrainingHistory, rules: TrainingThresholds) -> BoundRule | None:
    """KL divergence from the reference, the median of the last quarter of the log; at most a limit.

    Some methods log it in nats a token, others in nats an answer, and each has a limit of its own. None where none was
    logged often enough (GRPO logs none with a `beta` of 0).
    """
    by_token = values_of(history, "kl_per_token")
    values = by_token or values_of(history, "kl_per_answer")
    if values is None:
        return None
    return Scalar(
        "kl_per_token" if by_token else "kl_per_answer",
        statistics.median(values[-quarter(values) :]),
        "nats",
        higher_is_better=False,
        remedy="the policy left its reference, and with it what the base can do: raise beta (or the KL coefficient), lower "
        "the learning rate, or keep an earlier checkpoint",
        details=shown(history, largest=max(values)),
    ).at_most(rules.kl_per_token if by_token else rules.kl_per_answer)


def completion_length_change(history: TrainingHistory) -> Scalar | None:
    """How many times longer, or shorter, sampled answers are at the end than at the beginning; at most a limit.

    Lengths are those of answers that ended by themselves, where the log has them. None where too few lengths were logged.
    """
    values = values_of(history, "length", above=0.0)
    if values is None:
        return None
    start, end = first_mean(values), last_mean(values)
    return Scalar(
        "completion_length_change",
        max(start / end, end / start),
        higher_is_better=False,
        remedy=f"sampled answers went from {start:.0f} to {end:.0f} tokens: look at some, for the reward may pay for length "
        "alone; reward whole and short answers alike, raise beta",
        details=shown(history, start=start, end=end),
    )


def without_spread(history: TrainingHistory) -> Scalar | None:
    """Share of prompts whose sampled answers all had one reward, in the first half of the log; at most a limit.

    Such prompts teach nothing. But for those of steps with as good a reward as the log has, above 0: they are solved, later on
    or from the start. Where the share itself was not logged, that of the steps whose rewards had no standard deviation.
    None where neither was logged often enough.
    """
    shares = history.quantity("no_spread") or [(step, float(one == 0.0)) for step, one in history.quantity("spread")]
    if len(shares) < LEAST_VALUES:
        return None
    rewards = dict(history.quantity("reward"))
    best = max(rewards.values(), default=0.0)
    solved = {step for step, reward in rewards.items() if reward >= _SOLVED * best > 0}
    values = [0.0 if step in solved else share for step, share in shares]
    return Scalar(
        "no_reward_spread",
        statistics.fmean(values[: math.ceil(len(values) / 2)]),
        higher_is_better=False,
        remedy="answers to one prompt were rewarded alike, so that there was nothing to learn: raise num_generations or the "
        "temperature, use graded rewards, choose prompts that are neither too easy nor too hard",
        details=shown(history, end=shares[-1][1], solved_steps=len(solved)),
    )


def _maximised(history: TrainingHistory) -> tuple[str, list[float]] | None:
    names: tuple[Quantity, ...] = ("reward", "margin")
    return next(((name, values) for name in names if (values := values_of(history, name)) is not None), None)
