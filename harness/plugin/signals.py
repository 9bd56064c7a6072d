"""A session that is told to end, by a scheduler or a job's time limit, ends as by Ctrl-C: what was measured is kept."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

import pytest


@contextlib.contextmanager
def ended_in_order() -> Iterator[None]:
    """Take SIGTERM for Ctrl-C meanwhile, where nobody else handles it. A second one ends the process at once."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        pytest.exit("told to end (SIGTERM)", returncode=pytest.ExitCode.INTERRUPTED)

    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
