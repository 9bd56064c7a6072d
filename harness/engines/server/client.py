"""Calls of an OpenAI-compatible server. The key comes from the environment, and stays out of what is printed."""

from __future__ import annotations

import ipaddress
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard, cast
from urllib.parse import urlsplit

from harness.bounded import within
from harness.config.spec import ServedModel
from harness.engines.requests import Prompt
from harness.errors import ConfigError, EngineError
from harness.json_files import load_json
from harness.paths import show_size

if TYPE_CHECKING:
    from openai import OpenAI

KEY_VARIABLE = "OPENAI_API_KEY"
_CONNECT_TIMEOUT_S = 10.0
_SLACK_S = 60.0  # beyond the longest silence, for one whole call: for connecting, and on a machine that is busy
_NO_KEY = "none"
_MOST_TOKENS = 1 << 40
_MOST_ABOVE_CERTAIN = 1e-3
MOST_BYTES = 32 << 20
"""Of one answer; log-probabilities of a long prompt take most of them."""
_OF_THE_TRANSFER = ("content-encoding", "content-length", "transfer-encoding")
# A shorter "key" is a word to please the client, and may stand in any message.
_SECRET_CHARS = 8


class MalformedAnswerError(Exception):
    """An answer that is not what the API promises; another try may bring a whole one."""


class OversizedError(Exception):
    """An answer longer than any that was asked for."""


def open_client(served: ServedModel, *, timeout_s: float, most_bytes: int = MOST_BYTES) -> OpenAI:
    """A client that tries once: retries are ours, with waits that can be set and stopped.

    Args:
        timeout_s: how long the server may keep silent. One that sends a byte now and then keeps nobody much longer.
        most_bytes: of the body of one answer, unpacked.

    Raises:
        ConfigError: the server is not on this machine and there is no key, or the key cannot be sent.
    """
    import openai

    timeout = openai.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_TIMEOUT_S))

    class BoundedClient(openai.DefaultHttpxClient):
        def send(self, request: Any, **how: Any) -> Any:
            return within(timeout_s + _SLACK_S, lambda: self._whole(request, how))

        def _whole(self, request: Any, how: dict[str, Any]) -> Any:
            """The response with its body, which is not read on where it is too long."""
            response, body = super().send(request, **{**how, "stream": True}), bytearray()
            try:
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > most_bytes:
                        raise OversizedError(f"an answer of more than {show_size(most_bytes)}")
            finally:
                response.close()
            headers = [one for one in response.headers.multi_items() if one[0].lower() not in _OF_THE_TRANSFER]
            return type(response)(response.status_code, headers=headers, content=bytes(body), request=request)

    return openai.OpenAI(
        base_url=served.url,
        api_key=_read_key(served),
        max_retries=0,
        timeout=timeout,
        # another address than the one that was named gets no prompts and no key
        http_client=BoundedClient(timeout=timeout, follow_redirects=False),
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
        if isinstance(choices, list) and choices and all(isinstance(one, dict) for one in choices):
            return next((one for one in choices if one.get("index") == 0), choices[0])
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
        if not _is_count(prompt) or not _is_count(completion):
            raise EngineError(
                f"this server does not say how many tokens it read and wrote: usage is {str(usage)[:200]}",
                "use a server that fills in `usage`; lengths are measured by it",
            )
        return prompt, completion


def complete(client: OpenAI, model: str, prompt: Prompt | Sequence[int], **settings: Any) -> Reply:
    """Call once: chat completions for a conversation, completions for raw text or for tokens.

    Raises:
        MalformedAnswerError: the answer is no JSON object.
        openai.OpenAIError: the call failed.
    """
    started = time.perf_counter()
    if not isinstance(prompt, Prompt) or prompt.text is not None:
        raw = prompt.text if isinstance(prompt, Prompt) else list(prompt)
        response = client.completions.with_raw_response.create(model=model, prompt=cast(Any, raw), **settings)
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
    seen = response.content[:200].decode(errors="replace")
    try:
        body = load_json(response.content)
    except ValueError as exc:
        raise MalformedAnswerError(f"no JSON: {seen!r} ({exc})") from None
    if not isinstance(body, dict):
        raise MalformedAnswerError(f"no JSON object: {seen!r}")
    return body


def as_logprob(value: object) -> float:
    """A log-probability out of an answer.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not value <= _MOST_ABOVE_CERTAIN:
        raise ValueError(f"{str(value)[:40]!r} is no log-probability")
    return float(value)


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_TOKENS


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
