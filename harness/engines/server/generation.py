"""One completion from an OpenAI-compatible server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.engines.requests import GenerateRequest, Generation, StopReason
from harness.engines.server.client import MalformedAnswerError, complete
from harness.errors import EngineError

if TYPE_CHECKING:
    from openai import OpenAI

_PARSED = ("it took calls out of the text", "switch off its tool-call parser")
_ALTERED = {
    "tool_calls": _PARSED,
    "function_call": _PARSED,
    "content_filter": ("its content filter cut the answer", "switch the filter off for this model"),
}

_INSTEAD = (
    (("refusal",), "a refusal", "ask through an API that gives refusals as text, so that they are graded as answers"),
    (
        ("reasoning_content", "reasoning", "thinking"),
        "the thoughts that its reasoning parser took out",
        "switch off the parser, so that thoughts and answers are told apart here (`reasoning:`), or raise max_new_tokens: all "
        "of them may have gone into thoughts",
    ),
)


def ask_generation(client: OpenAI, name: str, request: GenerateRequest) -> Generation:
    """Ask once.

    The answer is cut before the first stop text here too, since some servers leave it in. A server
    that says only `stop` does not tell a stop text from EOS: the reason is then `stop` where the
    request has stop texts, `eos` where it has none.

    Raises:
        EngineError: the answer is not the model's own text.
        MalformedAnswerError: it is no answer at all.
    """
    settings: dict[str, Any] = {"max_tokens": request.max_new_tokens, "temperature": request.temperature}
    if request.stop:
        settings["stop"] = list(request.stop)
    if request.temperature > 0:
        settings |= {"top_p": request.top_p, "seed": request.seed}
    reply = complete(client, name, request.prompt, **settings)
    choice = reply.choice
    reason = _stop_reason(choice, request)
    text = _text(choice, chat=bool(request.prompt.messages))
    cut = min((at for at in (text.find(stop) for stop in request.stop) if at >= 0), default=-1)
    if cut >= 0:
        text, reason = text[:cut], "stop"
    return Generation(text, reason, *reply.usage, reply.latency_s)


def _text(choice: dict[str, Any], *, chat: bool) -> str:
    message, field = (choice.get("message"), "content") if chat else (choice, "text")
    if not isinstance(message, dict):
        raise MalformedAnswerError(f"no message: {str(choice)[:200]}")
    if message.get("tool_calls"):
        raise _altered("tool_calls")
    text = message.get(field)
    if text is None:
        raise _no_text(message)
    if not isinstance(text, str):
        raise MalformedAnswerError(f"no text: {str(choice)[:200]}")
    return text


def _no_text(message: dict[str, Any]) -> EngineError:
    """Of an answer that says null where its text belongs: an empty answer is an empty text."""
    for fields, what, remedy in _INSTEAD:
        said = next(
            (message[field] for field in fields if isinstance(message.get(field), str) and message[field]), None
        )
        if said is not None:
            return EngineError(f"the server's answer has no text but {what}: {said[:200]!r}", remedy)
    return EngineError(
        "the server's answer has no text: its content is null",
        "see what the server does with an empty answer; nothing of it is taken for one",
    )


def _stop_reason(choice: dict[str, Any], request: GenerateRequest) -> StopReason:
    finish = str(choice.get("finish_reason"))
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
