"""Rewards that pay for length are told by answers to one prompt, not by prompts that ask for long answers."""

from __future__ import annotations

from typing import Any

import pytest

from harness.training.reward_lengths import with_lengths_watched, within_prompts

PROMPTS = [0, 0, 0, 0, 1, 1, 1, 1]
LENGTHS = [1, 2, 3, 4, 11, 12, 13, 14]


def by_length(completion_ids: list[list[int]], **_: Any) -> list[float | None]:
    return [len(ids) / 10 for ids in completion_ids]


def right(completion_ids: list[list[int]], **_: Any) -> list[float | None]:
    return [1.0, 0.0, 0.0, 1.0, 0.0, 1.0, None, 0.0]


def logged(*rewards: Any, weights: list[float] | None = None, **given: Any) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    columns = {"completion_ids": [[0] * n for n in LENGTHS], "number": PROMPTS, **given}
    for reward in with_lengths_watched(rewards, weights):
        reward(log_metric=lambda name, value: found.append((name, value)), **columns)
    return found


def test_a_reward_for_length_follows_it_within_each_prompt() -> None:
    assert logged(by_length) == [("reward_length_correlation", pytest.approx(1.0))]


def test_a_reward_of_long_prompts_is_none_for_length() -> None:
    assert within_prompts([1.0 + prompt for prompt in PROMPTS], LENGTHS, PROMPTS) is None
    assert within_prompts([1, 0, 0, 1, 6, 5, 5, 6], LENGTHS, PROMPTS) == pytest.approx(0.0)


def test_several_rewards_count_by_their_weights() -> None:
    [(_, both)], [(_, one)] = logged(right, by_length), logged(right, by_length, weights=[1.0, 0.0])
    [(_, alone)] = logged(right)
    assert one == pytest.approx(alone) and both > one


def test_answers_of_one_length_tell_nothing() -> None:
    assert logged(right, completion_ids=[[0] * 5] * 8) == []


def test_rewards_and_their_names_are_what_they_were() -> None:
    [watched] = with_lengths_watched([right])
    assert watched.__name__ == "right"
    assert watched(completion_ids=[[0]] * 8, number=PROMPTS) == right([])
