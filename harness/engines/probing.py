"""What a served model can be asked for, found out by asking."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from harness.config.spec import ServedModel
from harness.engines.backends import ENGINES
from harness.engines.requests import Answer, GenerateRequest, Generation, Message, Prompt, Request, ScoreRequest
from harness.errors import EngineError, first_line

_HELLO = GenerateRequest(Prompt((Message("user", "Say hello."),)), max_new_tokens=8)
_SCORED = ScoreRequest(Prompt(text="The sky is"), " blue")


T = TypeVar("T")

LONGEST_S = 30.0
"""Wait for one answer: an engine's own retries go on for much longer."""


def probe_served(served: ServedModel, likelihood: Request | None = None) -> dict[str, str]:
    """What it says to a greeting and how long that takes, and whether it gives log-probabilities.

    Args:
        likelihood: what it is asked to find that out; None: how likely a text is.

    Raises:
        EngineError: it does not answer at all, or not in time.
        ConfigError: there is no key for it.
    """
    started_s = time.monotonic()
    said = within(LONGEST_S, lambda: _ask(served, _HELLO))
    took_s = time.monotonic() - started_s
    answer = said.text if isinstance(said, Generation) else ""
    try:
        within(LONGEST_S, lambda: _ask(served, likelihood or _SCORED))
        scores = "yes"
    except EngineError as error:
        scores = f"no: {first_line(error)}"
    return {"answers": f"{answer!r} in {took_s:.1f} s", "log-probabilities": scores}


def within(longest_s: float, work: Callable[[], T]) -> T:
    """What the work gives, or raises.

    Raises:
        EngineError: it is not done in time; it goes on by itself, and nobody waits for it.
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
        raise EngineError(f"no answer within {longest_s:g} s", "check that it is up and not busy")
    return done[0]


def _ask(served: ServedModel, request: Request) -> Answer:
    [batch] = ENGINES.get(served.scheme).backend(served, 1).plan([request])
    [(_, answer)] = batch.run()
    return answer
