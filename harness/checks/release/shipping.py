"""What ships of a candidate, to be read beside it on the same texts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from harness.checks.release.passages import Asked, Passages
from harness.checks.release.reading import InProcess, OfGguf, Reading
from harness.engines.llama_cpp import LlamaCppBackend
from harness.models.subject import Subject

if TYPE_CHECKING:
    import torch

    from harness.engines.engine import Backend
    from harness.models import ResolvedModel
    from harness.models.loading import LoadOptions
    from harness.records import Role


class _Models(Asked, Protocol):
    """What is needed here of `session.model_pair.ModelPair`."""

    @property
    def base(self) -> ResolvedModel: ...
    def load_options_of(self, subject: Subject) -> LoadOptions: ...
    def backend(self, role: Role) -> Backend: ...


class Shipping:
    """What ships, and what it is held against; models are loaded when they are first read with.

    Attributes:
        subject: what ships.
        models: base and candidate.
        texts: along which both are read.
    """

    def __init__(self, subject: Subject, models: _Models, texts: Passages) -> None:
        self.subject = subject
        self.models = models
        self.texts = texts

    @property
    def unread(self) -> str | None:
        """Why it cannot be read beside the candidate; None where it can."""
        if self.models.base.is_served or self.models.candidate.is_served:
            return "base or candidate is served: only their answers can be compared with those of what ships"
        if self.subject.is_served and not isinstance(self._backend, LlamaCppBackend):
            return f"{self.subject.name} is served: only its answers can be compared (test_serving.py reads its next tokens)"
        return None

    @property
    def place(self) -> str:
        """Where it lies, in words."""
        return str(self.subject.location if self.subject.is_served else self.subject.directory)

    @property
    def on_the_base(self) -> bool:
        """Whether it is an adapter on the base's own weights."""
        return self.subject.weights.location == self.models.base.location

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What a GGUF file says of itself; empty for any other."""
        return self._backend.metadata if isinstance(self._backend, LlamaCppBackend) else {}

    @property
    def candidate_weights(self) -> Path:
        """The directory of the candidate's model, which says where answers end."""
        return self.models.candidate.weights.directory

    @property
    def candidate(self) -> InProcess:
        """The candidate, read with."""
        return self.texts.candidate

    @cached_property
    def reading(self) -> Reading:
        """What ships, read with."""
        if isinstance(self._backend, LlamaCppBackend):
            return OfGguf(self._backend)
        return InProcess(self.models.loaded_as("shipped"), self.subject.adapter is not None)

    @cached_property
    def expected(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What base, candidate and what ships expect along the passages: log-probabilities of shape (positions, vocabulary)."""
        base, candidate = self.texts.expected
        shipped = self.reading.log_probs(self.texts.all, candidate)
        shared = min(one.shape[-1] for one in (base, candidate, shipped))  # rows that pad the embeddings are no token's
        return base[:, :shared], candidate[:, :shared], shipped[:, :shared]

    @cached_property
    def _backend(self) -> Backend | None:
        return self.models.backend("shipped") if self.subject.is_served else None
