"""Chooses what computes a model's answers: this process for one on disk, for any other the engine of its scheme."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.config.spec import ServedModel, parse_openai
from harness.engines.engine import Backend
from harness.engines.llama_cpp import LlamaCppBackend, gguf_identity, parse_gguf, with_loras
from harness.engines.server import ServerBackend, server_identity
from harness.engines.server.backend import CONCURRENCY
from harness.models.identity import Identity
from harness.plugins import Registry

if TYPE_CHECKING:
    from harness.models.loading import LoadedModel


@dataclass(frozen=True)
class ServingEngine:
    """An engine for models that are written SCHEME:... where a model or an adapter is named.

    Attributes:
        name: the scheme; `recipe` is none, for an adapter.
        parse: the model from the whole text and the name of the option it was given to; raises ConfigError.
        suffixes: of files that it runs; the path of one then names a model without a scheme, and is what `parse` is given.
        identity: who the model is: kept answers are found by its digest, so it must tell apart whatever answers apart.
        backend: computes answers of the model, so many requests at a time.
        adapted: the model with adapters on it, each a file and its weight, given to that option; None where the engine puts
            none on.
    """

    name: str
    parse: Callable[[str, str], ServedModel]
    identity: Callable[[ServedModel], Identity]
    backend: Callable[[ServedModel, int], Backend]
    suffixes: Sequence[str] = ()
    adapted: Callable[[ServedModel, Sequence[tuple[str, float]], str], ServedModel] | None = None


OPENAI = ServingEngine("openai", parse_openai, server_identity, ServerBackend)
GGUF = ServingEngine("gguf", parse_gguf, gguf_identity, LlamaCppBackend, (".gguf",), with_loras)
ENGINES: Registry[ServingEngine] = Registry("register_engines", "engine")


def served_identity(served: ServedModel) -> Identity:
    """Who a served model is, as far as its engine can tell."""
    return ENGINES.get(served.scheme).identity(served)


def make_backend(
    location: Path | ServedModel,
    load: Callable[[], LoadedModel],
    *,
    adapter: bool = False,
    reference: Callable[[], LoadedModel] | None = None,
    concurrency: int = CONCURRENCY,
) -> Backend:
    """The backend that computes a model's answers.

    Args:
        load: called for a model on disk when its first answer is computed.
        adapter: of the loaded model, answer with its adapter on.
        reference: the base that divergences are from, in memory; None where it is served.
        concurrency: of a served model, requests under way at once.
    """
    if isinstance(location, ServedModel):
        return ENGINES.get(location.scheme).backend(location, concurrency)
    from harness.engines.local import LocalBackend

    return LocalBackend(load, adapter=adapter, reference=reference)
