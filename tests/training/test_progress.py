from __future__ import annotations

import logging

import pytest
from transformers import TrainerState

from harness.training import callbacks as progress
from harness.training.callbacks import TrainingProgress
from harness.training.methods import SAMPLED


def test_without_a_terminal_it_logs_the_time_left_and_draws_nothing(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LOG_INTERVAL_S", 0.0)
    shown = TrainingProgress("mine", terminal=False)
    state = TrainerState(global_step=0, max_steps=10)
    with caplog.at_level(logging.INFO):
        shown.on_train_begin(None, state, None)
        shown.on_log(None, state, None, logs={"loss": 0.5})
        state.global_step = 4
        shown.on_step_end(None, state, None)
    shown.close()
    assert "training mine: step 4 of 10, about 0 s left loss 0.500" in caplog.text
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_it_draws_a_bar_with_step_and_losses(capsys: pytest.CaptureFixture[str]) -> None:
    shown = TrainingProgress("mine", terminal=True)
    state = TrainerState(global_step=3, max_steps=10)
    shown.on_train_begin(None, state, None)
    shown.on_log(None, state, None, logs={"eval_loss": 0.25})
    shown.close()
    drawn = capsys.readouterr().err
    assert "training mine" in drawn
    assert "3/10" in drawn
    assert "eval_loss 0.250" in drawn


def test_what_rewards_teach_is_followed_by_the_reward(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LOG_INTERVAL_S", 0.0)
    shown = TrainingProgress("mine", SAMPLED, terminal=False)
    state = TrainerState(global_step=0, max_steps=10)
    with caplog.at_level(logging.INFO):
        shown.on_train_begin(None, state, None)
        shown.on_log(None, state, None, logs={"loss": 0.0, "reward": 1.25, "reward_std": 0.5})
        state.global_step = 4
        shown.on_step_end(None, state, None)
    shown.close()
    assert "loss 0.000  reward 1.250" in caplog.text
    assert "0.5" not in caplog.text
