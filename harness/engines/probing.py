"""What a served model can be asked for, found out by asking."""

from __future__ import annotations

import time

from harness.bounded import within
from harness.config.spec import ServedModel
from harness.engines.backends import ENGINES
from harness.engines.requests import Answer, GenerateRequest, Generation, Message, Prompt, Request, ScoreRequest
from harness.errors import EngineError, first_line

_HELLO = GenerateRequest(Prompt((Message("user", "Say hello."),)), max_new_tokens=8)
_SCORED = ScoreRequest(Prompt(text="The sky is"), " blue")

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
    said = _ask(served, _HELLO)
    took_s = time.monotonic() - started_s
    answer = said.text if isinstance(said, Generation) else ""
    try:
        _ask(served, likelihood or _SCORED)
        scores = "yes"
    except EngineError as error:
        scores = f"no: {first_line(error)}"
    return {"answers": f"{answer!r} in {took_s:.1f} s", "log-probabilities": scores}


def _ask(served: ServedModel, request: Request) -> Answer:
    [batch] = ENGINES.get(served.scheme).backend(served, 1).plan([request])
    try:
        [(_, answer)] = within(LONGEST_S, lambda: list(batch.run()))
    except TimeoutError:
        raise EngineError(f"no answer within {LONGEST_S:g} s", "check that it is up and not busy") from None
    return answer
