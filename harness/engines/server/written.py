"""What an OpenAI-compatible server writes, token by token where it tells, and what it reads of a conversation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.engines.requests import Prompt
from harness.engines.server.client import MalformedAnswerError, Reply, as_logprob, complete

if TYPE_CHECKING:
    from openai import OpenAI

_TEMPLATE_ARGS = "chat_template_kwargs"


@dataclass(frozen=True)
class Likely:
    """A token as a server names it, by its text and, of llama.cpp, its id; and how likely it was there."""

    text: str
    logprob: float
    id: int | None = None


@dataclass(frozen=True)
class Written:
    """An answer.

    Attributes:
        tops: of each token that was written the likeliest in its place, the written one among them; empty where the server
            gives no log-probabilities.
        written: the tokens themselves; empty alike.
        prompt_tokens: that it read, as it counts them.
    """

    text: str
    written: Sequence[Likely]
    tops: Sequence[Sequence[Likely]]
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    latency_s: float


def ask_written(
    client: OpenAI,
    name: str,
    prompt: Prompt | Sequence[int],
    *,
    max_tokens: int = 1,
    stop: Sequence[str] = (),
    likeliest: int = 0,
    template_args: Mapping[str, Any] | None = None,
) -> Written:
    """Ask once for a greedy answer to a conversation, a text, or a text in tokens.

    Args:
        likeliest: tokens in each place whose log-probabilities are asked for; 0 asks for none.
        template_args: that the chat template is given beside a conversation; vLLM, SGLang and llama.cpp take them.

    Raises:
        MalformedAnswerError: it is no answer.
    """
    settings: dict[str, Any] = {"max_tokens": max_tokens, "temperature": 0}
    if stop:
        settings["stop"] = list(stop)
    chat = isinstance(prompt, Prompt) and prompt.text is None
    if likeliest:
        settings |= {"logprobs": True, "top_logprobs": likeliest} if chat else {"logprobs": likeliest}
    if chat and template_args:
        settings["extra_body"] = {_TEMPLATE_ARGS: dict(template_args)}
    reply = complete(client, name, prompt, **settings)
    return _read(reply, chat=chat)


def rendered_there(
    client: OpenAI, name: str, prompt: Prompt, *, template_args: Mapping[str, Any] | None = None
) -> Sequence[int] | str | None:
    """What the server makes of a conversation: its tokens (vLLM, `/tokenize`), else its text (llama.cpp, `/apply-template`); None
    where it has no endpoint that tells, or tells what is no text.

    https://docs.vllm.ai/en/stable/serving/openai_compatible_server/#tokenizer-api,
    https://github.com/ggml-org/llama.cpp/tree/master/tools/server
    """
    asked: dict[str, Any] = {"model": name, "messages": prompt.as_messages(), "add_generation_prompt": True}
    if (tools := prompt.as_tools()) is not None:
        asked["tools"] = tools
    if template_args:
        asked[_TEMPLATE_ARGS] = dict(template_args)
    found = _beside_the_api(client, "tokenize", asked)
    tokens = found.get("tokens") if found.get("count") else None
    if isinstance(tokens, list) and tokens and all(type(one) is int for one in tokens):
        return tokens
    text = _beside_the_api(client, "apply-template", asked).get("prompt")
    return text if isinstance(text, str) and _can_be_encoded(text) else None


def _can_be_encoded(text: str) -> bool:
    """Whether it is text: JSON may hold half a character (a lone surrogate), which no tokenizer takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _beside_the_api(client: OpenAI, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The answer of an endpoint that lies beside the API's root; nothing where there is none."""
    import openai

    root = str(client.base_url).rstrip("/").removesuffix("/v1")
    try:
        found = client.post(f"{root}/{path}", cast_to=object, body=body)
    except (openai.OpenAIError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _read(reply: Reply, *, chat: bool) -> Written:
    choice = reply.choice
    message, field = (choice.get("message"), "content") if chat else (choice, "text")
    text = message.get(field) if isinstance(message, dict) else None
    prompt, completion = reply.usage
    written, tops = _logprobs(choice.get("logprobs"))
    return Written(
        text if isinstance(text, str) else "",
        written,
        tops,
        str(choice.get("finish_reason")),
        prompt,
        completion,
        reply.latency_s,
    )


def _logprobs(said: Any) -> tuple[list[Likely], list[list[Likely]]]:
    """The tokens and the likeliest in their places: in the form of chats, which llama.cpp uses for all, or of completions."""
    try:
        if isinstance(said, dict) and said.get("content"):
            rows = said["content"]
            return [_likely(row) for row in rows], [[_likely(one) for one in row["top_logprobs"]] for row in rows]
        if isinstance(said, dict) and said.get("top_logprobs"):
            own = zip(said["tokens"], said["token_logprobs"], strict=True)
            written = [Likely(str(text), as_logprob(value)) for text, value in own]
            tops = [
                [Likely(str(text), as_logprob(value)) for text, value in row.items()] for row in said["top_logprobs"]
            ]
            if len(tops) != len(written):
                raise ValueError(f"of {len(tops)} places, and {len(written)} tokens")
            return written, tops
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as exc:
        raise MalformedAnswerError(f"log-probabilities that cannot be read: {exc!r}") from None
    return [], []


def _likely(said: dict[str, Any]) -> Likely:
    own = said.get("id")
    return Likely(str(said["token"]), as_logprob(said["logprob"]), own if type(own) is int else None)
