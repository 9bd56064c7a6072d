"""Calls that would not end: told, and done with."""

from __future__ import annotations

import re
import signal
import threading

import pytest

from harness.bounded import computing_within, within


def test_who_waits_for_another_waits_no_longer_than_is_said() -> None:
    never = threading.Event()
    with pytest.raises(TimeoutError, match=r"not done within 0.05 s"):
        within(0.05, never.wait)
    never.set()
    assert within(5, lambda: 3) == 3
    with pytest.raises(KeyError):
        within(5, lambda: {}[1])


def forever() -> None:
    while True:
        try:
            for _ in range(1000):
                pass
        except Exception:  # as a library that takes everything for its own fault
            pass


@pytest.mark.parametrize("work", [forever, lambda: re.fullmatch("(a+)+", "a" * 64 + "b")], ids=["loop", "expression"])
def test_what_computes_without_end_is_stopped(work: object) -> None:
    before = signal.getsignal(signal.SIGVTALRM)
    with pytest.raises(TimeoutError, match=r"not done within 0.05 s of computing"), computing_within(0.05):
        work()  # type: ignore[operator]
    assert signal.getsignal(signal.SIGVTALRM) is before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)


def test_what_ends_in_time_is_let_be_and_so_are_its_errors() -> None:
    with computing_within(5):
        assert re.fullmatch("a+", "aa")
    with pytest.raises(KeyError), computing_within(5):
        {}[1]
