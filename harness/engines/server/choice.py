"""How likely each of some choices is, from an OpenAI-compatible server that gives the log-probabilities of what it writes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.engines.requests import Choice, ChoiceRequest
from harness.engines.server.client import as_logprob, complete
from harness.errors import EngineError, UnanswerableError

if TYPE_CHECKING:
    from openai import OpenAI

# The most that OpenAI and vLLM give.
_TOP = 20
_REMEDY = "read verdicts from written replies (judge.reads: text), or use a server that gives them (vLLM, llama.cpp do)"


class NoLogprobsError(UnanswerableError):
    """The server gives no log-probabilities of what it writes."""


def ask_choice(client: OpenAI, name: str, request: ChoiceRequest) -> Choice:
    """Ask once, for a completion of one token with `logprobs` and `top_logprobs`.

    A token counts for the choice that it spells or begins, whatever the case and the spaces around it.

    Raises:
        NoLogprobsError: the server leaves them out, or refuses the question for them.
    """
    import openai

    settings = {"max_tokens": 1, "temperature": 0, "logprobs": True, "top_logprobs": _TOP}
    try:
        reply = complete(client, name, request.prompt, **settings)
    except (openai.BadRequestError, openai.UnprocessableEntityError) as exc:
        if "logprob" in str(exc).lower():
            raise NoLogprobsError("this server refuses to give log-probabilities of what it writes", _REMEDY) from exc
        raise
    logprobs = _of_choices(_first_tokens(reply.choice), request.choices)
    return Choice(logprobs, *reply.usage, reply.latency_s)


def refuse_choices(request: ChoiceRequest) -> None:
    """Raise for what one token of a reply cannot tell.

    Raises:
        EngineError: the prompt is raw text, or one choice is the beginning of another.
    """
    if request.prompt.text is not None:
        raise UnanswerableError("a server is asked for choices in conversations only", "ask with a prompt of messages")
    choices = [choice.casefold() for choice in request.choices]
    for one in choices:
        if any(other != one and other.startswith(one) for other in choices) or choices.count(one) > 1:
            raise EngineError(
                f"a server tells of one token, and choice {one!r} begins as another of {', '.join(request.choices)}",
                "give choices of which none begins another, or ask for a written reply",
            )


def _first_tokens(choice: dict[str, Any]) -> list[tuple[str, float]]:
    """The likeliest first tokens and their log-probabilities."""
    try:
        tops = choice["logprobs"]["content"][0]["top_logprobs"]
        found = [(str(top["token"]), as_logprob(top["logprob"])) for top in tops]
    except (KeyError, IndexError, TypeError, ValueError):
        found = []
    if not found:
        raise NoLogprobsError("this server gives no log-probabilities of what it writes", _REMEDY)
    return found


def _of_choices(tokens: Sequence[tuple[str, float]], choices: Sequence[str]) -> tuple[float | None, ...]:
    masses = dict.fromkeys(choices, 0.0)
    for token, logprob in tokens:
        text = token.strip().casefold()
        meant = [choice for choice in choices if text and choice.casefold().startswith(text)]
        if len(meant) == 1:
            masses[meant[0]] += math.exp(logprob)
    return tuple(math.log(mass) if mass > 0 else None for mass in masses.values())
