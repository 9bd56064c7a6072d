"""Calls that somebody else's file, template or server may keep from ever ending."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


class _OverrunError(BaseException):
    """Time is up. No `except Exception` of a library may take it for a fault of its own."""
