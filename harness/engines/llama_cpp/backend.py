"""The engine over llama.cpp's server."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.config.spec import ServedModel
from harness.engines.llama_cpp.asking import LlamaCpp
from harness.engines.llama_cpp.server import server_of
from harness.engines.llama_cpp.spec import GgufModel
from harness.engines.requests import (
    Answer,
    ChoiceRequest,
    GenerateRequest,
    Request,
    RollingRequest,
    ScoreRequest,
)
from harness.engines.server.backend import CONCURRENCY, Ask, ServerBackend
from harness.errors import UnanswerableError
from harness.models.gguf import read_gguf_header

if TYPE_CHECKING:
    from openai import OpenAI

# Each takes memory for a whole context, and on a CPU more of them answer no faster.
_MOST_SLOTS = 4


class LlamaCppBackend(ServerBackend):
    """Computes answers by a llama.cpp server of this process (`server_of`): its own template, tokenizer and arithmetic.

    Every measure but divergence: log-likelihoods are those of the model's own distribution, token by token.
    """

    def __init__(self, served: ServedModel, concurrency: int = CONCURRENCY) -> None:
        super().__init__(served, min(concurrency, _MOST_SLOTS))
        self._model = GgufModel.of(served)
        self._server = server_of(self._model, self._concurrency)
        self._header = read_gguf_header(self._model.path)
        self._unspellable = set(self._header.special_tokens)

    @property
    def _client(self) -> OpenAI:
        """Of no meaning here: a server that was started again has another address."""
        return self._server.client

    def _how_to_ask(self, request: Request) -> Ask:
        match request:
            case GenerateRequest() | ScoreRequest() | ChoiceRequest() | RollingRequest():
                return partial(self._ask, request)
            case _:
                raise UnanswerableError(
                    f"llama.cpp's server cannot answer a {type(request).__name__}: it gives no distributions over a whole text",
                    "leave out measures of divergence, or measure what the file was made of in process (--model=DIRECTORY)",
                )

    @property
    def server(self) -> LlamaCpp:
        """The running server, started now where it was not."""
        metadata = self._header.metadata
        eos = metadata.get("tokenizer.ggml.eos_token_id", 0)
        first = int(metadata.get("tokenizer.ggml.bos_token_id", eos))
        return LlamaCpp(self._server.client, self._model.context_tokens, first, self._unspellable)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the file says of itself."""
        return self._header.metadata

    def _ask(self, request: GenerateRequest | ScoreRequest | ChoiceRequest | RollingRequest, _: OpenAI) -> Answer:
        server = self.server
        match request:
            case GenerateRequest():
                return server.generate(request)
            case ScoreRequest():
                return server.score(request)
            case ChoiceRequest():
                return server.choose(request)
            case RollingRequest():
                return server.roll(request)
