"""What a served model can be asked for, found out by asking."""

from __future__ import annotations

import time

from harness.config.spec import ServedModel
from harness.engines.backends import ENGINES
from harness.engines.requests import Answer, GenerateRequest, Generation, Message, Prompt, Request, ScoreRequest
from harness.errors import EngineError, first_line

_HELLO = GenerateRequest(Prompt((Message("user", "Say hello."),)), max_new_tokens=8)
_SCORED = ScoreRequest(Prompt(text="The sky is"), " blue")


def probe_served(served: ServedModel) -> dict[str, str]:
    """What it says to a greeting and how long that takes, and whether it gives log-probabilities.

    Raises:
        EngineError: it does not answer at all.
    """
    started_s = time.monotonic()
    said = _ask(served, _HELLO)
    took_s = time.monotonic() - started_s
    answer = said.text if isinstance(said, Generation) else ""
    try:
        _ask(served, _SCORED)
        scores = "yes"
    except EngineError as error:
        scores = f"no: {first_line(error)}"
    return {"answers": f"{answer!r} in {took_s:.1f} s", "log-probabilities": scores}


def _ask(served: ServedModel, request: Request) -> Answer:
    [batch] = ENGINES.get(served.scheme).backend(served, 1).plan([request])
    [(_, answer)] = batch.run()
    return answer
