"""Locks between processes. Who waits for one says for what, and how long already."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, repeat
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

_log = logging.getLogger(__name__)

_UNSAID_S = 1.0
_SAID_AFTER_S = (14.0, 45.0)
_THEN_EACH_S = 120.0


@contextmanager
def held(path: Path, work: str) -> Iterator[None]:
    """A lock file, held by one process at a time.

    Args:
        work: what is done under it, as in "training tool-calls-qlora": who waits says that another process is doing so.
    """
    lock = FileLock(path)
    _acquire(lock, work, (_UNSAID_S, *_SAID_AFTER_S), _THEN_EACH_S)
    try:
        yield
    finally:
        lock.release()


def _acquire(lock: BaseFileLock, work: str, pauses_s: tuple[float, ...], then_each_s: float) -> None:
    """Wait for a lock, and say so after each pause."""
    began_s = time.monotonic()
    for pause_s in chain(pauses_s, repeat(then_each_s)):
        try:
            lock.acquire(timeout=pause_s)
            return
        except Timeout:
            waited_s = time.monotonic() - began_s
            _log.warning("another process is %s; waiting for it, %.0f s already (%s)", work, waited_s, lock.lock_file)
