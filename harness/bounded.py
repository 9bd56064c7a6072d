"""Calls that somebody else's file, template or server may keep from ever ending."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

_SLACK_S = 60.0  # beyond the computing of a child: for copying this process, and on a machine that is busy


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


def computed(work: Callable[[], T], *, longest_s: float, more_bytes: int | None = None) -> T:
    """What the work gives, or raises. For what computes without waiting: loops of a template, an expression that tries every
    way to match.

    The main thread does it itself, and is stopped by a signal. Elsewhere nothing stops a thread, so it is done in a copy of
    this process, which can be killed: what the work changes is lost there, and what it gives or raises is pickled. Only
    processor time counts: other work on the machine makes nothing late.

    Args:
        longest_s: of processor time.
        more_bytes: how much more memory than the process has now it may ask for; it can be any amount in one step, which no
            signal stops. Only Linux counts it; elsewhere it is not bounded.

    Raises:
        TimeoutError: it takes longer. A system that has neither such signals nor copies of processes does not bound it.
        MemoryError: it asks for more.
    """
    if not hasattr(os, "fork") or threading.current_thread() is threading.main_thread():
        return _computed_here(work, longest_s, more_bytes)
    receiver, sender = multiprocessing.Pipe(duplex=False)
    child = os.fork()
    if child == 0:
        _answer(sender, work, longest_s, more_bytes)
    sender.close()
    try:
        # the one thread of a copy is its main one, so it stops itself; unless it waits for a lock that another thread had
        if not receiver.poll(longest_s + _SLACK_S):
            raise TimeoutError(_late(longest_s))
        given, raised = pickle.loads(receiver.recv_bytes())
    except EOFError:
        raise MemoryError("the process that computed it ended without a word") from None
    finally:
        receiver.close()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if raised is not None:
        raise raised
    return given  # type: ignore[no-any-return]


def _answer(sender: Connection, work: Callable[[], Any], longest_s: float, more_bytes: int | None) -> None:
    """In the copy of the process: send what the work gives or raises, and end."""
    try:
        try:
            said = pickle.dumps((_computed_here(work, longest_s, more_bytes), None))
        except BaseException as error:
            said = pickle.dumps((None, _portable(error)))
        sender.send_bytes(said)
    finally:
        os._exit(0)  # nothing of the process that this is a copy of is to be ended in it


def _portable(error: BaseException) -> BaseException:
    """The error, where it can be sent; else one that says the same."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _computed_here(work: Callable[[], T], longest_s: float, more_bytes: int | None) -> T:
    with _computing_within(longest_s):
        if more_bytes is None:
            return work()
        with _in_memory(more_bytes):
            return work()


def _late(longest_s: float) -> str:
    return f"not done within {longest_s:g} s of computing"


@contextmanager
def _computing_within(longest_s: float) -> Iterator[None]:
    """In the main thread, which alone gets signals."""
    if not hasattr(signal, "SIGVTALRM"):
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise _OverrunError

    before = signal.signal(signal.SIGVTALRM, stop)
    rest_s, _ = signal.setitimer(signal.ITIMER_VIRTUAL, longest_s)
    try:
        yield
    except _OverrunError:
        raise TimeoutError(_late(longest_s)) from None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, rest_s)
        signal.signal(signal.SIGVTALRM, before)


@contextmanager
def _in_memory(more_bytes: int) -> Iterator[None]:
    """It is a limit on the process, so only the main thread sets it."""
    if sys.platform != "linux":
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
