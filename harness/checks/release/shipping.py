"""What ships of a candidate, to be read beside it on the same texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from harness.checks.release.reading import InProcess, OfGguf, Passage, Reading
from harness.engines.llama_cpp import LlamaCppBackend
from harness.engines.requests import GenerateRequest, Generation
from harness.models.probing import PROBE_TEXTS
from harness.models.subject import Subject
from harness.tasks.base import Foreseeable

if TYPE_CHECKING:
    import torch

    from harness.engines.engine import Backend, Engine
    from harness.models import ResolvedModel
    from harness.models.loading import LoadedModel, LoadOptions
    from harness.records import Role

PROBE_PASSAGES = "probe_texts"
_ANSWERS_A_TASK = 16
_LONGEST_TOKENS = 1024
# Of answers, beside those of the probe texts: three distributions over the vocabulary are kept of each.
_MOST_POSITIONS = 640


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
        prompts: the same of prompts that the candidate need not answer otherwise than its base.
    """

    def __init__(
        self, subject: Subject, models: _Models, tasks: Sequence[Foreseeable], prompts: Sequence[Foreseeable]
    ) -> None:
        self.subject = subject
        self.models = models
        self._tasks = tasks
        self._prompts = prompts

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
        passages = [passage for part in self.passages.values() for passage in part]
        candidate = self.candidate.log_probs(passages)
        base = InProcess(self.models.loaded_as("base"), adapter=False).log_probs(passages, candidate)
        shipped = self.reading.log_probs(passages, candidate)
        shared = min(one.shape[-1] for one in (base, candidate, shipped))  # rows that pad the embeddings are no token's
        return base[:, :shared], candidate[:, :shared], shipped[:, :shared]

    @cached_property
    def passages(self) -> Mapping[str, Sequence[Passage]]:
        """What is read: the probe texts, and by task the candidate's own answers."""
        return {PROBE_PASSAGES: self._probes, **self._answers}

    @property
    def own_positions(self) -> int:
        """How many of the positions, the first of all, tell what the candidate changes: those of the texts and the tasks."""
        parts = (self.passages[name] for name in (PROBE_PASSAGES, *(task.name for task in self._tasks)))
        return sum(len(passage.tail) for part in parts for passage in part)

    @property
    def _probes(self) -> Sequence[Passage]:
        """The probe texts, after their first token."""
        invocation = self.candidate.loaded.invocation
        read = [[*invocation, *self.candidate.tokens(text)] for text in PROBE_TEXTS]
        return [Passage(ids[: len(invocation) + 1], ids[len(invocation) + 1 :]) for ids in read]

    @property
    def _answers(self) -> Mapping[str, Sequence[Passage]]:
        """Answers to requests from all over each task, with the token that ends them.

        Two models may be alike wherever one task looks, and differ where another does, such as in what they refuse. So each
        task is given as many positions, and in a task each answer, from its beginning: what a short one leaves is given to
        the others.
        """
        answers = {task.name: self._answers_to(task) for task in (*self._tasks, *self._prompts)}
        shares = shared_out([sum(len(one.tail) for one in each) for each in answers.values()], _MOST_POSITIONS)
        return {name: _cut(each, share) for (name, each), share in zip(answers.items(), shares, strict=True)}

    def _answers_to(self, task: Foreseeable) -> list[Passage]:
        from harness.engines.rendering import prompt_tokens

        tokenizer = self.candidate.loaded.tokenizer
        texts = [one for one in task.foreseen if isinstance(one, GenerateRequest)]
        asked = [texts[index * len(texts) // _ANSWERS_A_TASK] for index in range(_ANSWERS_A_TASK)] if texts else []
        contexts = {one: prompt_tokens(tokenizer, one.prompt) for one in dict.fromkeys(asked)}
        read = [one for one, context in contexts.items() if len(context) <= _LONGEST_TOKENS]
        answers = sorted(self.models.engine("candidate").generate(read))
        found = [Passage(contexts[read[index]], self._tokens_of(answer)) for index, answer in answers]
        return [one for one in found if one.tail]

    def _tokens_of(self, answer: Generation) -> list[int]:
        tokenizer = self.candidate.loaded.tokenizer
        ids: list[int] = tokenizer(answer.text, add_special_tokens=False)["input_ids"]
        ended = answer.stop_reason == "eos" and tokenizer.eos_token_id is not None
        return [*ids, tokenizer.eos_token_id] if ended else ids

    @cached_property
    def _backend(self) -> Backend | None:
        return self.models.backend("shipped") if self.subject.is_served else None


def shared_out(wanted: Sequence[int], total: int) -> list[int]:
    """What each of several is given of a total: equal parts, and what one does not want goes to the others.

    Args:
        wanted: the most that each can use.
    """
    given = [0] * len(wanted)
    left = total
    ascending = sorted(range(len(wanted)), key=wanted.__getitem__)
    for place, index in enumerate(ascending):
        given[index] = min(wanted[index], left // (len(wanted) - place))
        left -= given[index]
    return given


def _cut(passages: Sequence[Passage], positions: int) -> list[Passage]:
    """The beginnings of passages' tails, of so many positions in all."""
    lengths = shared_out([len(one.tail) for one in passages], positions)
    return [Passage(one.context, one.tail[:length]) for one, length in zip(passages, lengths, strict=True) if length]
