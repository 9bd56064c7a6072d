"""What ships of a candidate, to be read beside it on the same texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from harness.checks.release.reading import InProcess, OfGguf, Passage, Reading
from harness.engines.llama_cpp import LlamaCppBackend
from harness.engines.requests import GenerateRequest
from harness.models.probing import PROBE_TEXTS
from harness.models.subject import Subject
from harness.tasks.task import Task

if TYPE_CHECKING:
    import torch

    from harness.engines.engine import Backend, Engine
    from harness.models import ResolvedModel
    from harness.models.loading import LoadedModel, LoadOptions
    from harness.records import Role

_ITEMS_A_TASK = 16
_LONGEST_TOKENS = 1024
_MOST_POSITIONS = (
    640  # of answers, beside those of the probe texts: three distributions over the vocabulary are kept of each
)


class _Models(Protocol):
    """What is needed here of `session.model_pair.ModelPair`."""

    @property
    def base(self) -> ResolvedModel: ...
    @property
    def candidate(self) -> Subject: ...
    def loaded_as(self, role: Role) -> LoadedModel: ...
    def load_options_of(self, subject: Subject) -> LoadOptions: ...
    def backend(self, role: Role) -> Backend: ...
    def engine(self, role: Role) -> Engine: ...


class Shipping:
    """What ships, and what it is held against; models are loaded when they are first read with.

    Attributes:
        subject: what ships.
        models: base and candidate.

    Args:
        tasks: whose answers are read, beside the probe texts.
    """

    def __init__(self, subject: Subject, models: _Models, tasks: Sequence[Task]) -> None:
        self.subject = subject
        self.models = models
        self._tasks = tasks

    @property
    def unread(self) -> str | None:
        """Why it cannot be read beside the candidate; None where it can."""
        if self.models.base.is_served or self.models.candidate.is_served:
            return "base or candidate is served: only their answers can be compared with those of what ships"
        if self.subject.is_served and not isinstance(self._backend, LlamaCppBackend):
            return f"{self.subject.name} is served: only its answers can be compared"
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

    @cached_property
    def candidate(self) -> InProcess:
        """The candidate, read with."""
        return InProcess(self.models.loaded_as("candidate"), self.models.candidate.adapter is not None)

    @cached_property
    def reading(self) -> Reading:
        """What ships, read with."""
        if isinstance(self._backend, LlamaCppBackend):
            return OfGguf(self._backend)
        return InProcess(self.models.loaded_as("shipped"), self.subject.adapter is not None)

    @cached_property
    def expected(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What base, candidate and what ships expect along the passages: log-probabilities of shape (positions, vocabulary)."""
        passages = [*self.probes, *self.answers]
        candidate = self.candidate.log_probs(passages)
        base = InProcess(self.models.loaded_as("base"), adapter=False).log_probs(passages, candidate)
        shipped = self.reading.log_probs(passages, candidate)
        shared = min(one.shape[-1] for one in (base, candidate, shipped))  # rows that pad the embeddings are no token's
        return base[:, :shared], candidate[:, :shared], shipped[:, :shared]

    @cached_property
    def probes(self) -> Sequence[Passage]:
        """The probe texts, after their first token."""
        invocation = self.candidate.loaded.invocation
        read = [[*invocation, *self.candidate.tokens(text)] for text in PROBE_TEXTS]
        return [Passage(ids[: len(invocation) + 1], ids[len(invocation) + 1 :]) for ids in read]

    @cached_property
    def answers(self) -> Sequence[Passage]:
        """The candidate's own answers to the first items of each task, with the token that ends them."""
        found: list[Passage] = []
        positions = 0
        for task in self._tasks:
            asked = (one for item in task.items for one in task.grader.requests(item))
            requests = list(islice((one for one in asked if isinstance(one, GenerateRequest)), _ITEMS_A_TASK))
            for index, answer in sorted(self.models.engine("candidate").generate(requests)):
                passage = self._answered(requests[index], answer.text, ended=answer.stop_reason == "eos")
                positions += len(passage.tail)
                if positions > _MOST_POSITIONS:
                    return found
                if passage.tail and len(passage.context) <= _LONGEST_TOKENS:
                    found.append(passage)
        return found

    def _answered(self, request: GenerateRequest, text: str, *, ended: bool) -> Passage:
        from harness.engines.rendering import prompt_tokens

        tokenizer = self.candidate.loaded.tokenizer
        tail = list(tokenizer(text, add_special_tokens=False)["input_ids"])
        end = [tokenizer.eos_token_id] if ended and tokenizer.eos_token_id is not None else []
        return Passage(prompt_tokens(tokenizer, request.prompt), [*tail, *end])

    @cached_property
    def _backend(self) -> Backend | None:
        return self.models.backend("shipped") if self.subject.is_served else None
