"""Each method is known by what it logs, and what it is for is gated: real logs pass, planted faults fail."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import pytest
from trainer_logs import columns, history_of

from harness.checks import training
from harness.config import TrainingThresholds
from harness.records import Outcome
from harness.training.history import TrainingHistory

RULES = TrainingThresholds()
NAMES = {
    "rise of the reward or margin": "gain",
    "what was kept of that rise": "kept_gain",
    "accuracy of preferences": "accuracy",
    "KL divergence from the reference": "kl",
    "length of sampled answers": "length",
    "share of cut answers": "cut",
    "spread of rewards": "spread",
    "share of clipped updates": "clipped",
}
# Of GRPO the part before its reward collapsed: 14 of 40 steps.
RISING = 14
SAMPLED = {"gain", "kept_gain", "kl", "length", "cut", "spread", "clipped"}
PAIRS = {"gain", "kept_gain", "accuracy"}


def outcomes(history: TrainingHistory) -> dict[str, Outcome]:
    rules = training.method_gates(history, RULES)
    return {NAMES[looked_at]: rule.decide().outcome for looked_at, rule in rules.items() if rule is not None}


def made(count: int = 40, **series: Callable[[float], float]) -> TrainingHistory:
    """A log of these functions of time, from 0 to 1, with some noise. "__" stands for "/"."""
    drawn = random.Random(0)
    times = [i / (count - 1) for i in range(count)]
    log = {
        key.replace("__", "/"): [of(t) + 0.02 * abs(of(0.5)) * drawn.gauss(0, 1) for t in times]
        for key, of in series.items()
    }
    return history_of(log)


@pytest.mark.parametrize(
    ("log", "steps", "method", "gates"),
    [
        ("dpo", None, "DPO", PAIRS),
        ("orpo", None, "ORPO", PAIRS),
        ("cpo", None, "CPO", PAIRS),
        ("reward", None, "reward modelling", PAIRS),
        ("kto", None, "KTO", {"gain", "kept_gain", "kl"}),
        ("grpo", RISING, "GRPO or RLOO", SAMPLED),
        ("sft", None, "SFT", set()),
    ],
)
def test_a_real_log_is_known_by_its_keys_and_passes_what_its_method_has(
    log: str, steps: int | None, method: str, gates: set[str]
) -> None:
    history = history_of(columns(log, steps))
    assert history.method.name == method
    assert outcomes(history) == dict.fromkeys(gates, "pass")
    assert training.log_is_finite(history).holds
    assert history.method.loss_is_cross_entropy == (method == "SFT")


PLANTED = {
    "chosen and rejected swapped": ("dpo", {"rewards__margins": lambda m: -m}, "gain"),
    "behind as often as ahead before": ("orpo", {"rewards__accuracies": lambda a: 1 - a}, "accuracy"),
    "labels swapped": ("kto", {"rewards__margins": lambda m: -m}, "gain"),
    "margins shrink": ("cpo", {"rewards__margins": lambda m: -m}, "gain"),
    "the wrong answer is preferred": ("reward", {"accuracy": lambda a: 1 - a, "margin": lambda m: -m}, "accuracy"),
    "far from the reference": ("grpo", {"kl": lambda kl: 20 * kl}, "kl"),
    "far from the reference by answers": ("kto", {"kl": lambda kl: 100 * kl}, "kl"),
    "answers never end": ("grpo", {"completions__clipped_ratio": 0.9}, "cut"),
    "all rewarded alike": ("grpo", {"frac_reward_zero_std": 1.0}, "spread"),
    "updates clipped": ("grpo", {"clip_ratio__region_mean": 0.7}, "clipped"),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_fault_planted_in_a_real_log_fails_its_gate(fault: str) -> None:
    log, changed, gate = PLANTED[fault]
    found = outcomes(history_of(columns(log, RISING if log == "grpo" else None, **changed)))
    assert found[gate] == "fail"


def test_a_real_collapse_of_the_reward_fails_at_its_end_and_not_at_the_checkpoint_before() -> None:
    whole = columns("grpo")
    found = outcomes(history_of(whole))
    assert (found["gain"], found["kept_gain"]) == ("fail", "fail")
    assert set(outcomes(history_of(whole, best_global_step=RISING)).values()) == {"pass"}


def test_a_reward_that_fell_half_way_back_is_not_kept_though_it_rose() -> None:
    found = outcomes(made(reward=lambda t: 0.2 + (2 * t if t < 0.5 else 1.7 - 1.4 * t), reward_std=lambda t: 0.3))
    assert found == {"gain": "pass", "kept_gain": "fail", "spread": "pass"}


def test_a_reward_that_goes_nowhere_is_open() -> None:
    assert outcomes(made(reward=lambda t: 0.5))["gain"] == "inconclusive"


def test_older_names_of_the_same_quantities_are_read() -> None:
    older = made(
        reward=lambda t: 0.1 + t,
        reward_std=lambda t: 0.3,
        kl=lambda t: 0.1 * t,
        completion_length=lambda t: 150 * 20**-t,
        clip_ratio=lambda t: 0.01,
    )
    assert outcomes(older) == dict.fromkeys(("gain", "kept_gain", "kl", "spread", "clipped"), "pass") | {
        "length": "fail"
    }


def test_rewards_without_deviation_have_no_spread_where_the_share_was_not_logged() -> None:
    assert outcomes(made(reward=lambda t: 0.0, reward_std=lambda t: 0.0))["spread"] == "fail"


@pytest.mark.parametrize("from_step", [0, 12])
def test_a_solved_task_needs_no_spread_and_no_gradient(from_step: int) -> None:
    rewards = [0.3 if i < from_step else 1.0 for i in range(40)]
    spread = [0.4 * (i < from_step) for i in range(40)]
    history = history_of({"reward": rewards, "reward_std": spread, "loss": [0.0] * 40, "grad_norm": spread})
    assert set(outcomes(history).values()) == {"pass"}
    norm = training.median_gradient(history)
    assert (norm and norm.value) == (0.4 if from_step else None)


def test_prompts_solved_and_unsolvable_side_by_side_teach_nothing() -> None:
    drawn = random.Random(0)
    rewards = [drawn.choice([0.25, 0.5, 0.75]) + 0.01 * i for i in range(40)]
    alike = history_of({"reward": rewards, "reward_std": [0.4] * 40, "frac_reward_zero_std": [1.0] * 40})
    assert outcomes(alike)["spread"] == "fail"


@pytest.mark.parametrize(("kl", "outcome"), [(20.0, "pass"), (900.0, "fail")])
def test_ppo_and_online_dpo_log_scores_and_divergences_of_whole_answers(kl: float, outcome: Outcome) -> None:
    series = {"objective__scores": lambda t: t, "objective__kl": lambda t: kl * t}
    ppo = made(**series, policy__clipfrac_avg=lambda t: 0.1)
    assert ppo.method.name == "PPO"
    assert outcomes(ppo) == {"gain": "pass", "kept_gain": "pass", "kl": outcome, "clipped": "pass"}
    online = made(**series, rewards__margins=lambda t: 0.0, rewards__accuracies=lambda t: 0.5)
    assert online.method.name == "online DPO"
    assert outcomes(online) == {"gain": "pass", "kept_gain": "pass", "kl": outcome}


@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_a_margin_that_never_moves_is_no_rise(method: str) -> None:
    """As of weights that nothing trained: KTO counts no pairs that would tell."""
    still = {key: [0.0] * len(values) for key, values in columns(method).items() if key.startswith("rewards/")}
    assert outcomes(history_of({**columns(method), **still}))["gain"] == "error"


def test_few_values_decide_nothing() -> None:
    assert outcomes(history_of(columns("dpo", 4))) == {}


@pytest.mark.parametrize("value", [math.nan, "nan", "-Infinity"])
def test_a_reward_that_is_no_number_is_not_finite(value: Any) -> None:
    check = training.log_is_finite(history_of(columns("grpo", RISING, reward=value)))
    assert not check.holds
    assert check.details["not_finite"][0]["quantity"] == "reward"


def test_a_margin_of_batches_with_one_kind_of_rows_alone_is_no_number_and_no_fault() -> None:
    log = columns("kto")
    gaps = [margin if i % 3 == 0 or i > 35 else math.nan for i, margin in enumerate(log["rewards/margins"])]
    assert training.log_is_finite(history_of({**log, "rewards/margins": gaps})).holds
    assert not training.log_is_finite(history_of({**log, "rewards/margins": [*gaps[:-1], math.nan]})).holds


def test_a_reward_that_was_not_computed_is_left_out() -> None:
    log = columns("grpo", RISING)
    history = history_of({**log, "reward": [*log["reward"][:-1], None]})
    assert training.log_is_finite(history).holds
    assert outcomes(history)["gain"] == "pass"
