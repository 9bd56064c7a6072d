"""A job as it is shown: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from harness.training.provider import progress
from harness.training.provider.progress import JobProgress


def step(number: int, **data: Any) -> dict[str, Any]:
    return {"type": "metrics", "data": {"step": number, "total_steps": 40, "train_loss": 1.25, **data}}


def shown(terminal: bool) -> None:
    job = JobProgress("tickets", "ftjob-1", terminal=terminal)
    job.say_status("queued")
    job.say_status("queued")
    job.say_status("running")
    job.tell(step(7, valid_loss=1.5))
    job.tell(step(8, train_loss=None, total_steps="many"))
    job.tell({"type": "message", "message": "half \x1b[2J way"})
    job.close()


def test_elsewhere_each_status_is_said_once_and_a_step_now_and_then(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(progress, "LOG_INTERVAL_S", 0.0)
    caplog.set_level(logging.INFO)
    shown(terminal=False)
    assert [record.message.removeprefix("training tickets: ") for record in caplog.records] == [
        "job ftjob-1 is queued",
        "job ftjob-1 is running",
        "step 7 of 40 train_loss 1.250  valid_loss 1.500",
        "step 8 ",
        "half [U+001B][2J way",
    ]


def test_on_a_terminal_a_bar_shows_step_and_losses(capsys: pytest.CaptureFixture[str]) -> None:
    shown(terminal=True)
    drawn = capsys.readouterr().err
    assert "training tickets (ftjob-1)" in drawn and "\x1b[2J" not in drawn
