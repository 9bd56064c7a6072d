"""Calls that would not end: told, and done with."""

from __future__ import annotations

import re
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.bounded import computing_within, in_memory, within


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


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts a process's memory")
def test_what_asks_for_too_much_memory_is_refused_it() -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(MemoryError), in_memory(1 << 28):
        b"a" * (1 << 40)
    with in_memory(1 << 28):
        assert len(b"a" * 1000) == 1000
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_a_thread_that_is_not_the_main_one_bounds_nobody_s_memory() -> None:
    def allocate() -> int:
        with in_memory(1 << 10):
            return len(b"a" * (1 << 26))

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(allocate).result() == 1 << 26
