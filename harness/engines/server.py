"""The engine over an OpenAI-compatible server."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from harness.config.spec import ServedModel
from harness.engines.engine import Batch
from harness.engines.requests import Answer, ChoiceRequest, GenerateRequest, Request, ScoreRequest
from harness.engines.server_choice import ask_choice, refuse_choices
from harness.engines.server_client import open_client
from harness.engines.server_generation import ask_generation
from harness.engines.server_retry import RetryPolicy, call_with_retries
from harness.engines.server_scoring import ask_score, refuse_conversation
from harness.errors import EngineError

if TYPE_CHECKING:
    from openai import OpenAI

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
        self, served: ServedModel, *, concurrency: int = 8, timeout_s: float = 600.0, retry: RetryPolicy | None = None
    ) -> None:
        self._served = served
        self._concurrency = concurrency
        self._timeout_s = timeout_s
        self._retry = retry or RetryPolicy()
        self._client: OpenAI | None = None
        self._context_lengths: dict[str, int] = {}

    def plan(self, requests: Sequence[Request]) -> list[Batch]:
        """Batches of requests in order.

        Raises:
            EngineError: a request is of a kind that no server answers; nothing has been asked yet.
        """
        for request in requests:
            _refuse_unanswerable(request)
        size = self._concurrency * _ROUNDS_PER_BATCH
        return [Batch(range(start, min(start + size, len(requests)))) for start in range(0, len(requests), size)]

    def run(self, requests: Sequence[Request], batch: Batch) -> Iterator[tuple[int, Answer]]:
        """Answer one batch, yielding (index, answer) as each finishes, every index of the batch once.

        Raises:
            ConfigError: there is no key for a server on another machine.
            EngineError: a request is refused, or was not answered in as many tries as the policy allows.
        """
        client = self._open()
        waiting: SimpleQueue[int] = SimpleQueue()
        finished: SimpleQueue[tuple[int, Answer | BaseException]] = SimpleQueue()
        stopped = threading.Event()
        for index in batch.indices:
            waiting.put(index)

        def work() -> None:
            while not stopped.is_set():
                try:
                    index = waiting.get_nowait()
                except Empty:
                    return
                try:
                    finished.put((index, self._answer(client, requests[index], stopped)))
                except BaseException as exc:  # handed over: raised where the batch is awaited
                    finished.put((index, exc))

        for _ in range(min(self._concurrency, len(batch.indices))):
            # Daemons: after an interrupt, a call under way must not hold up the end of the process.
            threading.Thread(target=work, name="assay-server", daemon=True).start()
        try:
            for _ in batch.indices:
                index, outcome = finished.get()
                if isinstance(outcome, BaseException):
                    raise outcome
                yield index, outcome
        finally:
            stopped.set()

    def _open(self) -> OpenAI:
        if self._client is None:
            self._client = open_client(self._served, timeout_s=self._timeout_s)
        return self._client

    def _answer(self, client: OpenAI, request: Request, stopped: threading.Event) -> Answer:
        def ask() -> Answer:
            if isinstance(request, GenerateRequest):
                return ask_generation(client, self._served.name, request)
            if isinstance(request, ScoreRequest):
                return ask_score(client, self._served.name, request, self._context_lengths)
            if isinstance(request, ChoiceRequest):
                return ask_choice(client, self._served.name, request)
            raise _unanswerable(request)

        return call_with_retries(ask, self._retry, served=self._served, stopped=stopped)


def _refuse_unanswerable(request: Request) -> None:
    if isinstance(request, ScoreRequest):
        refuse_conversation(request)
    elif isinstance(request, ChoiceRequest):
        refuse_choices(request)
    elif not isinstance(request, GenerateRequest):
        raise _unanswerable(request)


def _unanswerable(request: Request) -> EngineError:
    return EngineError(
        f"a server cannot answer a {type(request).__name__}: it gives no distributions over a whole text",
        "leave out measures of general text and divergence, or judge the model in process (--model=DIRECTORY)",
    )
