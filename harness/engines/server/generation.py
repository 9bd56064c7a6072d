"""One completion from an OpenAI-compatible server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

from harness.engines.requests import GenerateRequest, Generation, StopReason
from harness.engines.server.client import MalformedAnswerError, RawResponse, read_body, read_choice, read_usage
from harness.errors import EngineError

if TYPE_CHECKING:
    from openai import OpenAI

_PARSED = ("it took calls out of the text", "switch off its tool-call parser")
_ALTERED = {
    "tool_calls": _PARSED,
    "function_call": _PARSED,
    "content_filter": ("its content filter cut the answer", "switch the filter off for this model"),
}


def ask_generation(client: OpenAI, name: str, request: GenerateRequest) -> Generation:
    """Ask once: chat completions for a conversation, completions for raw text.

    The answer is cut before the first stop text here too, since some servers leave it in. A server
    that says only `stop` does not tell a stop text from EOS: the reason is then `stop` where the
    request has stop texts, `eos` where it has none.

    Raises:
        EngineError: the answer is not the model's own text, or comes without token counts.
        MalformedAnswerError: it is no answer at all.
        openai.OpenAIError: the call failed.
    """
    started = time.perf_counter()
    body = read_body(_ask(client, name, request))
    latency_s = time.perf_counter() - started
    choice = read_choice(body)
    text = _text(choice, chat=bool(request.prompt.messages))
    reason = _stop_reason(choice, request)
    cut = min((at for at in (text.find(stop) for stop in request.stop) if at >= 0), default=-1)
    if cut >= 0:
        text, reason = text[:cut], "stop"
    prompt_tokens, completion_tokens = read_usage(body)
    return Generation(text, reason, prompt_tokens, completion_tokens, latency_s)


def _ask(client: OpenAI, name: str, request: GenerateRequest) -> RawResponse:
    import openai

    sampling = request.temperature > 0
    settings: dict[str, Any] = {
        "model": name,
        "max_tokens": request.max_new_tokens,
        "stop": list(request.stop) or openai.omit,
        "temperature": request.temperature,
        "top_p": request.top_p if sampling else openai.omit,
        "seed": request.seed if sampling else openai.omit,
    }
    if request.prompt.text is not None:
        response = client.completions.with_raw_response.create(prompt=request.prompt.text, **settings)
    else:
        messages = cast(Any, request.prompt.as_messages())
        response = client.chat.completions.with_raw_response.create(messages=messages, **settings)
    return cast(RawResponse, response)


def _text(choice: dict[str, Any], *, chat: bool) -> str:
    text = choice.get("text")
    if chat:
        message = choice.get("message")
        if not isinstance(message, dict):
            raise MalformedAnswerError(f"no message: {str(choice)[:200]}")
        if message.get("tool_calls"):
            raise _altered("tool_calls")
        text = message.get("content") or ""
    if not isinstance(text, str):
        raise MalformedAnswerError(f"no text: {str(choice)[:200]}")
    return text


def _stop_reason(choice: dict[str, Any], request: GenerateRequest) -> StopReason:
    finish = choice.get("finish_reason")
    if finish in _ALTERED:
        raise _altered(finish)
    if finish == "length":
        return "length"
    if finish != "stop":
        raise MalformedAnswerError(f"finish reason {finish!r}")
    if "stop_reason" in choice:  # vLLM and SGLang: the stop text, or null or a token id for EOS
        return "stop" if isinstance(choice["stop_reason"], str) else "eos"
    return "stop" if request.stop else "eos"


def _altered(finish: str) -> EngineError:
    what, remedy = _ALTERED[finish]
    return EngineError(f"the server's answer is not the model's own text ({finish}): {what}", remedy)
