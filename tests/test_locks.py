"""Who waits for a lock says for what, and how long already."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from harness import locks


class Stubborn(FileLock):  # type: ignore[misc]
    """Given at the fourth try."""

    tries = 0

    def acquire(self, timeout: float | None = None, **_: object) -> object:  # type: ignore[override]
        Stubborn.tries += 1
        if Stubborn.tries < 4:
            raise Timeout(self.lock_file)
        return super().acquire(timeout=0)


def test_each_wait_says_for_what_and_for_how_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = iter([0.0, 1.0, 15.0, 60.0])
    monkeypatch.setattr(locks, "FileLock", Stubborn)
    monkeypatch.setattr(locks.time, "monotonic", lambda: next(clock))
    with caplog.at_level(logging.WARNING), locks.held(tmp_path / "a.lock", "training pets"):
        pass
    assert [record.getMessage().partition(" (")[0] for record in caplog.records] == [
        f"another process is training pets; waiting for it, {waited} s already" for waited in (1, 15, 60)
    ]


def test_a_free_lock_is_taken_in_silence_and_given_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        with locks.held(tmp_path / "a.lock", "training pets"):
            assert FileLock(tmp_path / "a.lock").acquire  # a second holder would wait
    assert caplog.records == []
    FileLock(tmp_path / "a.lock").acquire(timeout=0).lock.release()
