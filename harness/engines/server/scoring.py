"""One log-likelihood from an OpenAI-compatible server, where it gives those of the prompt."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.engines.requests import Prompt, Score, ScoreRequest
from harness.engines.server.choice import NoLogprobsError
from harness.engines.server.client import Reply, as_logprob, complete
from harness.errors import EngineError, UnanswerableError

if TYPE_CHECKING:
    from openai import OpenAI

# It is thrown away, but several servers refuse or crash on none.
_ONE_TOKEN = {"max_tokens": 1, "temperature": 0}


@dataclass(frozen=True)
class _Echo:
    """A prompt as the server read it, token by token; the first token has no log-probability."""

    tokens: Sequence[str]
    logprobs: Sequence[float]
    best: Sequence[float]


def ask_score(client: OpenAI, name: str, request: ScoreRequest, context_lengths: MutableMapping[str, int]) -> Score:
    """Ask once, for a completion with `echo` and `logprobs`.

    The continuation's tokens are those that spell it at the end of the prompt. Where the server spells
    tokens another way (raw vocabulary pieces, bytes), its count of the context alone divides the two,
    as in lm-evaluation-harness.

    Args:
        context_lengths: token counts of contexts asked for before; added to.

    Raises:
        EngineError: the server gives no log-probabilities of it.
    """
    context, continuation = _divide(request)
    reply = complete(client, name, Prompt(text=context + continuation), **_ONE_TOKEN, echo=True, logprobs=1)
    echo = _read_echo(reply)
    length = _spelled_length(echo.tokens, continuation)
    if length is None:
        length = len(echo.tokens) - _context_length(client, name, context, context_lengths)
    if not 0 < length < len(echo.tokens):
        raise EngineError(
            f"continuation {request.continuation!r} adds no token to its context",
            "score continuations that are not empty, after a context that is not empty",
        )
    logprobs, best = echo.logprobs[-length:], echo.best[-length:]
    greedy = all(one >= top for one, top in zip(logprobs, best, strict=True))
    return Score(sum(logprobs), greedy, len(echo.tokens) - length, length, reply.latency_s)


def refuse_conversation(request: ScoreRequest) -> None:
    """Raise for what no server can score: only it knows the text that its template makes of a conversation.

    Raises:
        EngineError: the prompt is a conversation.
    """
    if request.prompt.text is None:
        raise UnanswerableError(
            "a server cannot score a continuation of a conversation: it applies the chat template itself",
            "score raw-text prompts, or judge the model in process (--model=DIRECTORY)",
        )


def _divide(request: ScoreRequest) -> tuple[str, str]:
    """Context and continuation; trailing spaces of the context go to the continuation, as in the local engine."""
    text = request.prompt.text or ""
    context = text.rstrip() or text
    return context, text[len(context) :] + request.continuation


def _read_echo(reply: Reply) -> _Echo:
    logprobs = reply.choice.get("logprobs")
    if not isinstance(logprobs, dict):
        raise _no_logprobs("none at all")
    lists = ((logprobs.get(key) or []) for key in ("tokens", "token_logprobs", "top_logprobs"))
    tokens, values, tops = (one if isinstance(one, list) else [] for one in lists)
    prompt, completion = reply.usage
    if not prompt <= len(values) <= prompt + completion or len(tokens) != len(values):
        raise _no_logprobs(f"{len(values)} for a prompt of {prompt} tokens")
    if any(value is None for value in values[1:prompt]):
        raise _no_logprobs("empty ones")
    if len(tops) != len(values) or not all(isinstance(top, dict) and top for top in tops[1:prompt]):
        raise _no_logprobs("none of the most likely tokens (`top_logprobs`)")
    first = float("-inf")
    try:
        return _Echo(
            [str(token) for token in tokens[:prompt]],
            [first, *map(as_logprob, values[1:prompt])],
            [first, *(max(map(as_logprob, top.values())) for top in tops[1:prompt])],
        )
    except ValueError as exc:
        raise _no_logprobs(str(exc)) from None


def _spelled_length(tokens: Sequence[str], continuation: str) -> int | None:
    """How many last tokens spell the continuation exactly; None where none do, or more than one number does."""
    spelled = ""
    for count in range(1, len(tokens)):
        spelled = tokens[-count] + spelled
        if spelled == continuation:
            # A token without text is a part of a character: which side it is on cannot be seen.
            return count if tokens[-count - 1] else None
        if len(spelled) > len(continuation):
            break
    return None


def _context_length(client: OpenAI, name: str, context: str, known: MutableMapping[str, int]) -> int:
    if context not in known:
        known[context] = complete(client, name, Prompt(text=context), **_ONE_TOKEN).usage[0]
    return known[context]


def _no_logprobs(seen: str) -> EngineError:
    return NoLogprobsError(
        f"this server gives no log-probabilities of the prompt: asked with echo and logprobs, it sent {seen}",
        "use a server that gives them (vLLM does), tasks that generate, or the model in process (--model=DIRECTORY)",
    )
