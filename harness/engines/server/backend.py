"""The engine over an OpenAI-compatible server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

from harness.config.spec import ServedModel
from harness.engines.engine import Batch
from harness.engines.requests import Answer, Answers, ChoiceRequest, GenerateRequest, Request, ScoreRequest
from harness.engines.server.choice import ask_choice, refuse_choices
from harness.engines.server.client import open_client
from harness.engines.server.generation import ask_generation
from harness.engines.server.parallel import ask_all
from harness.engines.server.retry import RetryPolicy
from harness.engines.server.scoring import ask_score, refuse_conversation
from harness.errors import UnanswerableError

if TYPE_CHECKING:
    from openai import OpenAI

Ask = Callable[["OpenAI"], Answer]
"""Asks a server once for the answer to one request."""

CONCURRENCY = 8
# Long enough to keep every connection busy, short enough that a killed run loses little.
_ROUNDS_PER_BATCH = 4


class ServerBackend:
    """Computes answers by asking a server, several requests at a time.

    Chat prompts are rendered by the server's own template, and greedy decoding is temperature 0 under
    whatever other defaults the server sets: the model is judged as it is served. `truncate` of a request
    has no counterpart in the API: a prompt that is too long is the server's to refuse.

    Args:
        served: name and URL.
        concurrency: requests under way at once, at the most.
        timeout_s: how long one call may keep silent.
        retry: what to do about faults that pass.
    """

    def __init__(
        self,
        served: ServedModel,
        concurrency: int = CONCURRENCY,
        *,
        timeout_s: float = 600.0,
        retry: RetryPolicy | None = None,
    ) -> None:
        self._served = served
        self._concurrency = concurrency
        self._timeout_s = timeout_s
        self._retry = retry or RetryPolicy()
        self._context_lengths: dict[str, int] = {}

    def plan(self, requests: Sequence[Request]) -> list[Batch]:
        """Batches of requests in order; one that no server answers is refused before anything is asked."""
        asks = [(index, self._how_to_ask(request)) for index, request in enumerate(requests)]
        size = self._concurrency * _ROUNDS_PER_BATCH
        parts = [asks[start : start + size] for start in range(0, len(asks), size)]
        return [Batch([index for index, _ in part], partial(self._run, part)) for part in parts]

    def _run(self, asks: Sequence[tuple[int, Ask]]) -> Answers:
        """Answer one batch, yielding (index, answer) as each finishes, every index once."""
        client, concurrency = self._client, self._concurrency
        return ask_all(client, asks, served=self._served, concurrency=concurrency, retry=self._retry)

    @cached_property
    def _client(self) -> OpenAI:
        return open_client(self._served, timeout_s=self._timeout_s)

    def _how_to_ask(self, request: Request) -> Ask:
        name = self._served.name
        match request:
            case GenerateRequest():
                return partial(ask_generation, name=name, request=request)
            case ScoreRequest():
                refuse_conversation(request)
                return partial(ask_score, name=name, request=request, context_lengths=self._context_lengths)
            case ChoiceRequest():
                refuse_choices(request)
                return partial(ask_choice, name=name, request=request)
            case _:
                raise UnanswerableError(
                    f"a server cannot answer a {type(request).__name__}: it gives no distributions over a whole text",
                    "leave out measures of general text and divergence, or judge the model in process "
                    "(--model=DIRECTORY)",
                )
