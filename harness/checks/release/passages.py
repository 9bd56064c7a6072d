"""What two models are read along: plain texts, and the candidate's own answers from all over its tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from harness.checks.release.reading import InProcess, Passage
from harness.engines.requests import GenerateRequest, Generation
from harness.models.probing import PROBE_TEXTS
from harness.tasks.base import Foreseeable

if TYPE_CHECKING:
    import torch

    from harness.engines.asking import Asking
    from harness.engines.engine import Engine
    from harness.models.loading import LoadedModel
    from harness.models.subject import Subject
    from harness.records import Role

PROBE_PASSAGES = "probe_texts"
_ANSWERS_A_TASK = 16
_LONGEST_TOKENS = 1024
# Of answers, beside those of the probe texts: three distributions over the vocabulary are kept of each.
_MOST_POSITIONS = 640


class Asked(Protocol):
    """What is needed here of `session.model_pair.ModelPair`."""

    @property
    def candidate(self) -> Subject: ...
    def loaded_as(self, role: Role) -> LoadedModel: ...
    def engine(self, role: Role) -> Engine: ...
    def asking(self, role: Role) -> Asking | None: ...


class Passages:
    """Texts, and the base and the candidate in process that they are read with; loaded when they are first asked for.

    Args:
        tasks: whose answers are read, beside the probe texts.
        prompts: the same of prompts that the candidate need not answer otherwise than its base.
    """

    def __init__(self, models: Asked, tasks: Sequence[Foreseeable], prompts: Sequence[Foreseeable]) -> None:
        self._models = models
        self._tasks = tasks
        self._prompts = prompts

    @cached_property
    def candidate(self) -> InProcess:
        """The candidate, read with."""
        return InProcess(self._models.loaded_as("candidate"), self._models.candidate.adapter is not None)

    @cached_property
    def base(self) -> InProcess:
        """The base, read with."""
        return InProcess(self._models.loaded_as("base"), adapter=False)

    @property
    def all(self) -> Sequence[Passage]:
        """Every passage, in the order of `expected`."""
        return [passage for part in self.passages.values() for passage in part]

    @cached_property
    def expected(self) -> tuple[torch.Tensor, torch.Tensor]:
        """What base and candidate expect along them: log-probabilities of shape (positions, vocabulary)."""
        candidate = self.candidate.log_probs(self.all)
        return self.base.log_probs(self.all, candidate), candidate

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
        contexts = {one: prompt_tokens(tokenizer, self._sent(one).prompt) for one in dict.fromkeys(asked)}
        read = [one for one, context in contexts.items() if len(context) <= _LONGEST_TOKENS]
        answers = sorted(self._models.engine("candidate").generate(read))
        found = [
            Passage(contexts[read[index]], self._tokens_of(answer), None if answer.thought else self._sent(read[index]))
            for index, answer in answers
        ]
        return [one for one in found if one.tail]

    def _sent(self, request: GenerateRequest) -> GenerateRequest:
        """As the candidate is asked it, with the system prompt."""
        asking = self._models.asking("candidate")
        sent = request if asking is None else asking.sent(request)
        return sent if isinstance(sent, GenerateRequest) else request

    def _tokens_of(self, answer: Generation) -> list[int]:
        tokenizer = self.candidate.loaded.tokenizer
        ids: list[int] = tokenizer(answer.text, add_special_tokens=False)["input_ids"]
        ended = answer.stop_reason == "eos" and tokenizer.eos_token_id is not None
        return [*ids, tokenizer.eos_token_id] if ended else ids


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
    return [replace(one, tail=one.tail[:length]) for one, length in zip(passages, lengths, strict=True) if length]
