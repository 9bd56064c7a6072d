"""A scripted OpenAI-shaped server on loopback, with faults where a test wants them."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]


@dataclass(frozen=True)
class Status:
    """Answer with this status, an error body and these headers."""

    code: int
    headers: dict[str, str] = field(default_factory=dict)
    body: Body | bytes = field(default_factory=lambda: {"error": {"message": "injected fault", "type": "injected"}})


@dataclass(frozen=True)
class Hang:
    """Answer nothing until the server closes: the client's timeout is what ends it."""


@dataclass(frozen=True)
class Trickle:
    """Send a space now and then, until the server closes."""


@dataclass(frozen=True)
class Drop:
    """Close the connection, before any byte or in the middle of the answer."""

    midway: bool = False


@dataclass(frozen=True)
class Lost:
    """Do what was asked, and close the connection before the answer."""


@dataclass(frozen=True)
class Garbage:
    """Status 200 with a body that is not the API's."""

    text: str = '{"choices": [{"mess'


Fault = Status | Hang | Trickle | Drop | Lost | Garbage
PASSING_FAULTS: tuple[Fault, ...] = (
    Status(429, {"Retry-After": "0.05"}),
    Status(429),
    Status(500),
    Status(503),
    Hang(),
    Drop(),
    Drop(midway=True),
    Garbage(),
    Garbage("{}"),
)


@dataclass(frozen=True)
class Seen:
    """A request as it arrived, header names in lower case; `fault` is what it got, None for an answer."""

    path: str
    body: Body
    headers: dict[str, str]
    arrived_s: float
    fault: Fault | None


def chat_answer(
    text: str | None, *, finish_reason: str = "stop", usage: tuple[int, int] = (7, 3), **choice: Any
) -> Body:
    """An answer of /chat/completions; further keywords go into the choice."""
    message = {"role": "assistant", "content": text}
    return _answer("chat.completion", {"message": message, "finish_reason": finish_reason, **choice}, usage)


def text_answer(text: str, *, finish_reason: str = "stop", usage: tuple[int, int] = (7, 3), **choice: Any) -> Body:
    """An answer of /completions."""
    return _answer("text_completion", {"text": text, "finish_reason": finish_reason, **choice}, usage)


def echo_answer(tokens: Sequence[str], logprobs: Sequence[float], best: Sequence[float] | None = None) -> Body:
    """An answer of /completions with echo and logprobs: a prompt of these tokens, and one new token.

    Args:
        logprobs: one a token; the first one's is sent as null, as servers do.
        best: log-probability of the most likely token at each place; `logprobs` where left out.
    """
    tops = [{token: top} for token, top in zip(tokens, best or logprobs, strict=True)]
    echoed = {
        "tokens": [*tokens, " new"],
        "token_logprobs": [None, *logprobs[1:], -1.0],
        "top_logprobs": [None, *tops[1:], {" new": -1.0}],
    }
    return text_answer("".join(tokens) + " new", finish_reason="length", usage=(len(tokens), 1), logprobs=echoed)


def parrot(path: str, body: Body) -> Body:
    """Answers that tell which request they belong to: the prompt, repeated."""
    if path.endswith("/chat/completions"):
        return chat_answer(f"you said: {body['messages'][-1]['content']}")
    if path.endswith("/completions"):
        return text_answer(f"you said: {body['prompt']}")
    return {"object": "list", "data": [{"id": "base", "object": "model", "owned_by": "test"}]}


def no_faults(arrival: int) -> Fault | None:
    """Every request is answered."""
    return None


def faults_in_order(*faults: Fault | None) -> Callable[[int], Fault | None]:
    """The first requests get these, in order of arrival; the rest is answered."""
    return lambda arrival: faults[arrival] if arrival < len(faults) else None


def random_faults(rate: float, seed: int, faults: Sequence[Fault] = PASSING_FAULTS) -> Callable[[int], Fault | None]:
    """Each arrival is a fault with this probability; the same seed gives the same faults to the same arrivals."""

    def choose(arrival: int) -> Fault | None:
        draw = random.Random(f"{seed}:{arrival}")
        return draw.choice(faults) if draw.random() < rate else None

    return choose


class FaultyServer:
    """The server, running while the context is open.

    Args:
        answer: body of an answer with status 200, from path and request body; or a refusal. A form that is no JSON comes as
            {"form": its bytes}.
        faults: what the n-th arriving request gets instead, from 0; called once a request. GET requests count.

    Attributes:
        seen: every request in order of arrival.
    """

    def __init__(
        self,
        answer: Callable[[str, Body], Body | bytes | Status] = parrot,
        faults: Callable[[int], Fault | None] = no_faults,
    ) -> None:
        self.seen: list[Seen] = []
        self._answer = answer
        self._faults = faults
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._http = _HttpServer(("127.0.0.1", 0), self._handler())

    @property
    def url(self) -> str:
        """The API's root."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    @property
    def answered(self) -> list[Seen]:
        """The requests that got an answer."""
        return [seen for seen in self.seen if seen.fault is None]

    def __enter__(self) -> FaultyServer:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()

    def _note(self, path: str, body: Body, headers: dict[str, str]) -> Fault | None:
        with self._lock:
            fault = self._faults(len(self.seen))
            self.seen.append(Seen(path, body, headers, time.monotonic(), fault))
        return fault

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # connections are kept, as by a real server
            disable_nagle_algorithm = True  # else head and body of an answer arrive 40 ms apart

            def do_GET(self) -> None:
                self._serve({})

            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers["Content-Length"] or 0))
                is_form = self.headers.get("Content-Type", "").startswith("multipart/")
                self._serve({"form": sent} if is_form else json.loads(sent or b"{}"))

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

            def _serve(self, body: Body) -> None:
                fault = server._note(self.path, body, {k.lower(): v for k, v in self.headers.items()})
                answer = server._answer(self.path, body) if fault is None or isinstance(fault, Lost) else None
                match answer if fault is None else fault:
                    case dict() as said:
                        self._send(200, json.dumps(said).encode())
                    case bytes() as said:
                        self._send(200, said)
                    case Status(code, headers, error):
                        self._send(code, error if isinstance(error, bytes) else json.dumps(error).encode(), headers)
                    case Lost():
                        self.close_connection = True
                    case Garbage(text):
                        self._send(200, text.encode())
                    case Hang():
                        server._closing.wait()
                        self.close_connection = True
                    case Trickle():
                        self._send(200, b" ", length=4096)
                        while not server._closing.wait(0.02):
                            self.wfile.write(b" ")
                            self.wfile.flush()
                        self.close_connection = True
                    case Drop(midway):
                        if midway:
                            self._send(200, b'{"id": "half', length=4096)
                        self.close_connection = True

            def _send(
                self, code: int, data: bytes, headers: dict[str, str] | None = None, length: int | None = None
            ) -> None:
                self.send_response(code)
                for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data) if length is None else length))
                self.end_headers()
                self.wfile.write(data)

        return Handler


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what the tests are about."""


def _answer(kind: str, choice: Body, usage: tuple[int, int]) -> Body:
    prompt, completion = usage
    return {
        "id": "answer-1",
        "object": kind,
        "created": 1,
        "model": "served",
        "choices": [{"index": 0, **choice}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion},
    }
