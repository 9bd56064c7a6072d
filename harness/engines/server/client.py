"""Calls of an OpenAI-compatible server. The key comes from the environment, and stays out of what is printed."""

from __future__ import annotations

import ipaddress
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from harness.config.spec import ServedModel
from harness.engines.requests import Prompt
from harness.errors import ConfigError, EngineError

if TYPE_CHECKING:
    from openai import OpenAI

KEY_VARIABLE = "OPENAI_API_KEY"
_CONNECT_TIMEOUT_S = 10.0
_NO_KEY = "none"
# A shorter "key" is a word to please the client, and may stand in any message.
_SECRET_CHARS = 8


class MalformedAnswerError(Exception):
    """An answer that is not what the API promises; another try may bring a whole one."""


def open_client(served: ServedModel, *, timeout_s: float) -> OpenAI:
    """A client that tries once: retries are ours, with waits that can be set and stopped.

    Raises:
        ConfigError: the server is not on this machine and there is no key, or the key cannot be sent.
    """
    import openai

    return openai.OpenAI(
        base_url=served.url,
        api_key=_read_key(served),
        max_retries=0,
        timeout=openai.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_TIMEOUT_S)),
    )


@dataclass(frozen=True)
class Reply:
    """What a server sent to one completion call."""

    body: dict[str, Any]
    latency_s: float

    @property
    def choice(self) -> dict[str, Any]:
        """The one choice of the answer.

        Raises:
            MalformedAnswerError: there is none; some servers report errors so, with status 200.
        """
        choices = self.body.get("choices")
        if isinstance(choices, list) and choices and isinstance(choices[0], dict):
            return choices[0]
        raise MalformedAnswerError(f"no choices: {str(self.body)[:200]}")

    @property
    def usage(self) -> tuple[int, int]:
        """Tokens of the prompt and of the answer, as the server counts them.

        Raises:
            EngineError: it does not say.
        """
        usage = self.body.get("usage")
        counts = usage if isinstance(usage, dict) else {}
        prompt, completion = counts.get("prompt_tokens"), counts.get("completion_tokens")
        if not isinstance(prompt, int) or not isinstance(completion, int):
            raise EngineError(
                f"this server does not say how many tokens it read and wrote: usage is {usage!r}",
                "use a server that fills in `usage`; lengths are measured by it",
            )
        return prompt, completion


def complete(client: OpenAI, model: str, prompt: Prompt, **settings: Any) -> Reply:
    """Call once: chat completions for a conversation, completions for raw text.

    Raises:
        MalformedAnswerError: the answer is no JSON object.
        openai.OpenAIError: the call failed.
    """
    started = time.perf_counter()
    if prompt.text is not None:
        response = client.completions.with_raw_response.create(model=model, prompt=prompt.text, **settings)
    else:
        # every server takes a system turn for a developer's, but not the other way round
        said = [{**turn, "role": "system"} if turn["role"] == "developer" else turn for turn in prompt.as_messages()]
        messages = cast(Any, said)
        if (tools := prompt.as_tools()) is not None:
            settings["tools"] = tools
        response = client.chat.completions.with_raw_response.create(model=model, messages=messages, **settings)
    return Reply(read_body(response.http_response), time.perf_counter() - started)


def read_body(response: Any) -> dict[str, Any]:
    """The JSON object of an HTTP response, whatever content type it claims.

    Raises:
        MalformedAnswerError: it is no JSON object.
    """
    try:
        body = response.json()
    except ValueError:
        raise MalformedAnswerError(f"no JSON: {response.text[:200]!r}") from None
    if not isinstance(body, dict):
        raise MalformedAnswerError(f"no JSON object: {response.text[:200]!r}")
    return body


def redact(text: str) -> str:
    """The text without the key: servers quote it in refusals, HTTP libraries in errors about headers."""
    key = os.environ.get(KEY_VARIABLE, "").strip()
    return text.replace(key, "***") if len(key) >= _SECRET_CHARS else text


def _read_key(served: ServedModel) -> str:
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key:
        if _is_loopback(served.url):
            return _NO_KEY
        raise ConfigError(
            f"{served.url} is not on this machine, and {KEY_VARIABLE} is not set",
            f"set {KEY_VARIABLE} in the environment (to any word, where the server asks for no key)",
        )
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(f"{KEY_VARIABLE} holds a character that no key has", "set it again, without line breaks")
    return key


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
