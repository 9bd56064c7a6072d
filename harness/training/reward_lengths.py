"""How far the rewards of answers to one prompt follow their length: a figure that no trainer of TRL's logs, and that tells a
reward which pays for length while answers still differ in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from harness.training.methods import REWARD_LENGTH_CORRELATION

Reward = Callable[..., list[float | None]]
"""Takes the columns of a batch as lists of one entry an answer; a reward of None counts for nothing."""


def with_lengths_watched(rewards: Sequence[Reward], weights: Sequence[float] | None = None) -> list[Reward]:
    """The same rewards, which log how their weighted sum goes with length where their trainer lets them (`log_metric`).

    Args:
        weights: one for each; 1 where there are none.
    """
    totals: list[float] = []

    def watched(place: int, reward: Reward) -> Reward:
        weight = 1.0 if weights is None else weights[place]

        def call(**given: Any) -> list[float | None]:
            found = reward(**given)
            if place == 0:
                totals[:] = [0.0] * len(found)
            totals[:] = [total + weight * (value or 0.0) for total, value in zip(totals, found, strict=True)]
            log = given.get("log_metric")
            if place == len(rewards) - 1 and log is not None:
                correlation = within_prompts(totals, list(map(len, given["completion_ids"])), given["number"])
                if correlation is not None:
                    log(REWARD_LENGTH_CORRELATION, correlation)
            return found

        call.__name__ = reward.__name__
        return call

    return [watched(place, reward) for place, reward in enumerate(rewards)]


def within_prompts(rewards: Sequence[float], lengths: Sequence[float], prompts: Sequence[int]) -> float | None:
    """Correlation of reward and length, each less its mean over the answers to the same prompt; None where either never
    differs between these."""
    of_reward, of_length = _centred(rewards, prompts), _centred(lengths, prompts)
    spread = math.sqrt(sum(one**2 for one in of_reward) * sum(one**2 for one in of_length))
    return sum(a * b for a, b in zip(of_reward, of_length, strict=True)) / spread if spread > 0 else None


def _centred(values: Sequence[float], groups: Sequence[int]) -> list[float]:
    members: dict[int, list[float]] = {}
    for value, group in zip(values, groups, strict=True):
        members.setdefault(group, []).append(value)
    means = {group: math.fsum(those) / len(those) for group, those in members.items()}
    return [value - means[group] for value, group in zip(values, groups, strict=True)]
