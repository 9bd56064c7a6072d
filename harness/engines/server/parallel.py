"""Several requests of a server under way at once."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from harness.config.spec import ServedModel
from harness.engines.server.retry import RetryPolicy, call_with_retries

if TYPE_CHECKING:
    from openai import OpenAI

T = TypeVar("T")


def ask_all(
    client: OpenAI,
    asks: Sequence[tuple[int, Callable[[OpenAI], T]]],
    *,
    served: ServedModel,
    concurrency: int,
    retry: RetryPolicy,
) -> Iterator[tuple[int, T]]:
    """Ask each once, and again where a fault passes; (index, answer) as each finishes, every index once."""
    waiting = deque(asks)  # its ends are safe to pop from several threads
    finished: SimpleQueue[tuple[int, T | BaseException]] = SimpleQueue()
    stopped = threading.Event()

    def work() -> None:
        while not stopped.is_set():
            try:
                index, ask = waiting.popleft()
            except IndexError:
                return
            try:
                answer = call_with_retries(partial(ask, client), retry, served=served, stopped=stopped)
                finished.put((index, answer))
            except BaseException as exc:  # handed over: raised where the batch is awaited
                finished.put((index, exc))

    for _ in range(min(concurrency, len(asks))):
        # Daemons: after an interrupt, a call under way must not hold up the end of the process.
        threading.Thread(target=work, name="assay-server", daemon=True).start()
    try:
        for _ in asks:
            index, outcome = finished.get()
            if isinstance(outcome, BaseException):
                raise outcome
            yield index, outcome
    finally:
        stopped.set()
