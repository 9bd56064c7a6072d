"""The suite's tests of rewards and preferences: what a log has is gated, what it lacks is skipped with the reason."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from trainer_logs import columns, history_of

from harness.config import TrainingThresholds
from harness.training.history import TrainingHistory

SUITE = Path(__file__).parents[3] / "suites" / "test_training.py"


def ran(history: TrainingHistory) -> tuple[set[str], list[str]]:
    """Gates that passed and reasons to skip, of the test of what a method logs."""
    spec = importlib.util.spec_from_file_location("shipped_training_suite", SUITE)
    assert spec is not None and spec.loader is not None
    suite = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(suite)
    passed: set[str] = set()
    skipped: list[str] = []

    def gate(rule: Any, *, otherwise: str) -> None:
        if rule is None:
            pytest.skip(otherwise)
        verdict = rule.decide()
        assert verdict.outcome == "pass", verdict.reason
        passed.add(verdict.gate)

    class Subtests:
        @contextmanager
        def test(self, message: str) -> Iterator[None]:
            try:
                yield
            except pytest.skip.Exception as skip:
                skipped.append(str(skip))

    suite.test_what_its_method_logs_is_sound(history, TrainingThresholds(), gate, Subtests())
    return passed, skipped


def test_a_grpo_training_is_gated_by_rewards_and_sampled_answers() -> None:
    passed, skipped = ran(history_of(columns("grpo", 14)))
    assert passed == {
        "reward_rise/at_least", "kept_reward_rise/at_least", "kl_per_token/at_most", "completion_length_change/at_most",
        "cut_completions/at_most", "no_reward_spread/at_most", "clipped_updates/at_most",
    }  # fmt: skip
    assert skipped == ["trainer_state.json of GRPO or RLOO has too few values of the accuracy of preferences"]


def test_a_dpo_training_is_gated_by_margins_and_says_what_it_does_not_log() -> None:
    passed, skipped = ran(history_of(columns("dpo")))
    assert passed == {"margin_rise/at_least", "kept_margin_rise/at_least", "preference_accuracy/at_least"}
    assert len(skipped) == 5
    assert "trainer_state.json of DPO has too few values of the KL divergence from the reference" in skipped
