"""Calls that somebody else's file, template or server may keep from ever ending."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TypeVar

T = TypeVar("T")


def within(longest_s: float, work: Callable[[], T]) -> T:
    """What the work gives, or raises. For what waits for others: it is done in a thread of its own.

    Raises:
        TimeoutError: it is not done in time; it goes on by itself, and nobody waits for it.
    """
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:  # raised where it is waited for
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(longest_s)
    if failed:
        raise failed[0]
    if not done:
        raise TimeoutError(f"not done within {longest_s:g} s")
    return done[0]


@contextmanager
def computing_within(longest_s: float) -> Iterator[None]:
    """Raises `TimeoutError` where what is inside takes more than so many seconds of processor time. For what computes without
    waiting: loops of a template, an expression that tries every way to match.

    It is stopped by a signal, which only the main thread gets, and not on every system: elsewhere it is not bounded. Other
    work on the machine makes it no slower, for only this process is counted.
    """
    if not hasattr(signal, "SIGVTALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise _OverrunError

    before = signal.signal(signal.SIGVTALRM, stop)
    rest_s, _ = signal.setitimer(signal.ITIMER_VIRTUAL, longest_s)
    try:
        yield
    except _OverrunError:
        raise TimeoutError(f"not done within {longest_s:g} s of computing") from None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, rest_s)
        signal.signal(signal.SIGVTALRM, before)


@contextmanager
def in_memory(more_bytes: int) -> Iterator[None]:
    """Raises `MemoryError` where what is inside asks for so many bytes more than the process has now. For what can ask for any
    amount in one step, which no signal stops.

    It is a limit on the process, so only the main thread sets it, and only where the system counts (Linux): elsewhere it is
    not bounded.
    """
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        yield
        return
    import resource

    before, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_bytes().split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + more_bytes
    set_before = [limit for limit in (before, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([most, *set_before]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, hard))


class _OverrunError(BaseException):
    """Time is up. No `except Exception` of a library may take it for a fault of its own."""
