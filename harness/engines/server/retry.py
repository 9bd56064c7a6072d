"""Trying again: which faults of a server pass, how long to wait, when to give up."""

from __future__ import annotations

import email.utils
import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from harness.config.spec import ServedModel
from harness.engines.server.client import KEY_VARIABLE, MalformedAnswerError, OversizedError, redact
from harness.errors import EngineError

if TYPE_CHECKING:
    import openai

T = TypeVar("T")

_PASSING_STATUSES = frozenset({408, 409, 429})
# A 429 that no waiting mends: what was paid for is used up.
_LASTING_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
_MESSAGE_CHARS = 300
_LONGEST_SAID_S = 1e9
_REMEDIES = {
    401: f"set {KEY_VARIABLE} in the environment to a key of that server",
    403: f"set {KEY_VARIABLE} in the environment to a key that may use this model",
    **dict.fromkeys(
        (301, 302, 303, 307, 308), "name the address that it points to: prompts and keys follow no redirect"
    ),
    404: "check the model's name, and that the URL is the API's root (most end in /v1)",
}
_FINAL = "change what the message names; the same request fails again"
_ENDLESS = "see what the server sends to such a request: nothing that is asked for takes so long, or is so much"
_OVERLOADED = "see that the server is up and not overloaded; batches answered before are kept for the next run"
_LATER = "run again after it; batches answered before are kept"


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how patiently to try; the defaults outlast a server's restart of about a minute.

    Attributes:
        tries: calls of one request at the most.
        first_wait_s: wait after the first fault; it doubles with each further one.
        longest_wait_s: where the doubling ends.
        longest_retry_after_s: a server that asks for a longer pause than this is given up.
    """

    tries: int = 8
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0
    longest_retry_after_s: float = 300.0

    def backoff_s(self, failures: int) -> float:
        """Seconds to wait after so many faults, drawn from the upper half so that callers spread out."""
        return min(self.first_wait_s * 2.0 ** (failures - 1), self.longest_wait_s) * random.uniform(0.5, 1.0)


class StoppedError(Exception):
    """The caller wants no more answers."""


@dataclass(frozen=True)
class _Fault:
    """What went wrong with one call; `status` is 0 where no HTTP answer came."""

    text: str
    passing: bool
    status: int = 0
    retry_after_s: float = 0.0


def call_with_retries(
    call: Callable[[], T], policy: RetryPolicy, *, served: ServedModel, stopped: threading.Event
) -> T:
    """The result of `call`, tried again after timeouts, lost connections, malformed answers, 408, 409, 429 and 5xx.

    Raises:
        EngineError: the server refuses the request (any other status), asks for too long a pause, or
            failed at every try.
        StoppedError: `stopped` was set before there was an answer.
    """
    import openai

    failures = 0
    while not stopped.is_set():
        try:
            return call()
        except (openai.OpenAIError, MalformedAnswerError, OversizedError, TimeoutError) as exc:
            fault = _read_fault(exc)
            failures += 1
            if not fault.passing:
                problem = "refuses a request" if fault.status else "gave no answer that can be read"
                remedy = _REMEDIES.get(fault.status, _FINAL if fault.status else _ENDLESS)
            elif failures >= policy.tries:
                problem, remedy = f"gave no answer in {failures} tries; the last", _OVERLOADED
            elif fault.retry_after_s > policy.longest_retry_after_s:
                problem, remedy = f"asks for a pause of {fault.retry_after_s:.0f} s", _LATER
            else:
                stopped.wait(max(fault.retry_after_s, policy.backoff_s(failures)))
                continue
            raise EngineError(f"{served} {problem}: {fault.text}", remedy) from exc
    raise StoppedError


def retry_after_s(value: str, *, now: float) -> float:
    """Seconds a `Retry-After` header asks for: a number or an HTTP date (RFC 9110, section 10.2.3).

    Args:
        now: Unix time to count a date from.

    Returns:
        Never negative; 0 without a header that can be read.
    """
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - now
        except ValueError:
            return 0.0
    return min(max(seconds, 0.0), _LONGEST_SAID_S) if math.isfinite(seconds) else 0.0


def _read_fault(exc: Exception) -> _Fault:
    import openai

    if isinstance(exc, openai.APITimeoutError):
        return _Fault("no answer within the time limit", passing=True)
    if isinstance(exc, TimeoutError):
        return _Fault(f"the answer comes too slowly: {exc}", passing=False)
    if isinstance(exc, OversizedError):
        return _Fault(str(exc), passing=False)
    if isinstance(exc, openai.APIConnectionError):
        return _Fault(redact(f"the connection failed: {exc.__cause__ or exc}"), passing=True)
    if isinstance(exc, openai.APIStatusError):
        status = exc.status_code
        return _Fault(
            redact(f"HTTP {status}: {_message(exc)}"),
            passing=(status in _PASSING_STATUSES and exc.code not in _LASTING_CODES) or status >= 500,
            status=status,
            retry_after_s=retry_after_s(exc.response.headers.get("retry-after", ""), now=time.time()),
        )
    return _Fault(redact(f"the answer is malformed: {exc}"), passing=isinstance(exc, MalformedAnswerError))


def _message(exc: openai.APIStatusError) -> str:
    """What the server says, in whichever field: `error.message` by the API, `detail` by FastAPI."""
    body = exc.body
    said = (body.get("message") or body.get("detail")) if isinstance(body, dict) else body
    return str(said or exc.response.text or exc.response.reason_phrase)[:_MESSAGE_CHARS]
