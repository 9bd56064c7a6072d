"""Calls that would not end: told, and done with, whatever thread they are made in."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest

from harness.bounded import computed, within

Call = Callable[..., Any]


@pytest.fixture(params=["main thread", "another thread"])
def call(request: pytest.FixtureRequest) -> Call:
    """`computed`, called in one thread or the other."""
    if request.param == "main thread":
        return computed

    def elsewhere(work: Callable[[], Any], **bounds: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(computed, work, **bounds).result()

    return elsewhere


def test_who_waits_for_another_waits_no_longer_than_is_said() -> None:
    never = threading.Event()
    with pytest.raises(TimeoutError, match=r"not done within 0.05 s"):
        within(0.05, never.wait)
    never.set()
    assert within(5, lambda: 3) == 3
    with pytest.raises(KeyError):
        within(5, lambda: {}[1])


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


def forever() -> None:
    while True:
        try:
            for _ in range(1000):
                pass
        except Exception:  # as a library that takes everything for its own fault
            pass


@pytest.mark.parametrize("work", [forever, lambda: re.fullmatch("(a+)+", "a" * 64 + "b")], ids=["loop", "expression"])
def test_what_computes_without_end_is_stopped(call: Call, work: Callable[[], object]) -> None:
    before, children_before = signal.getsignal(signal.SIGVTALRM), children()
    with pytest.raises(TimeoutError, match=r"not done within 0.05 s of computing"):
        call(work, longest_s=0.05)
    assert signal.getsignal(signal.SIGVTALRM) is before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)
    assert children() == children_before  # nothing that it was computed in is left


def test_what_ends_in_time_is_let_be_and_so_are_its_errors(call: Call) -> None:
    assert call(lambda: len("aa"), longest_s=5) == 2
    with pytest.raises(KeyError, match="1"):
        call(lambda: {}[1], longest_s=5)


class UnsendableError(Exception):
    """Takes two arguments and says one, so cannot be made again out of what it says."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")


def unsendable() -> None:
    raise UnsendableError("not", "so")


def test_an_error_that_no_other_process_can_send_is_told_in_words() -> None:
    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match="UnsendableError: not so"):
        pool.submit(computed, unsendable, longest_s=5).result()
    with pytest.raises(UnsendableError):
        computed(unsendable, longest_s=5)


def test_a_copy_that_is_killed_is_told() -> None:
    def killed() -> None:  # as where the system's memory runs out
        os.kill(os.getpid(), signal.SIGKILL)

    with ThreadPoolExecutor(1) as pool, pytest.raises(MemoryError, match="without a word"):
        pool.submit(computed, killed, longest_s=5).result()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts a process's memory")
def test_what_asks_for_too_much_memory_is_refused_it(call: Call) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(MemoryError):
        call(lambda: b"a" * (1 << 40), longest_s=5, more_bytes=1 << 28)
    assert call(lambda: len(b"a" * 1000), longest_s=5, more_bytes=1 << 28) == 1000
    assert resource.getrlimit(resource.RLIMIT_AS) == before
