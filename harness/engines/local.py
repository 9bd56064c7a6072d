"""The in-process engine: transformers and PEFT on this machine's device."""

from __future__ import annotations

import gc
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

from harness.engines.engine import Batch
from harness.engines.fitting import WayName, fitting_strategy
from harness.engines.rendering import prompt_tokens, rolling_windows, score_tokens
from harness.engines.requests import (
    Answer,
    Answers,
    Choice,
    ChoiceRequest,
    Divergence,
    DivergenceRequest,
    GenerateRequest,
    Request,
    RollingRequest,
    Score,
    ScoreRequest,
)
from harness.engines.strategy import BatchJob, BatchLimits, Strategy, TokenPair, context_length
from harness.errors import EngineError
from harness.models.forwards import is_out_of_memory

if TYPE_CHECKING:
    import torch

    from harness.models.loading import LoadedModel

log = logging.getLogger(__name__)

R = TypeVar("R", bound=Request)

# Prompts in a batch: a kill loses no more, and what they have in common is computed once.
_CHOICES_AT_ONCE = 64
# Two full sets of logits are alive at once; of those of the base so many bytes, as float32 in ordinary memory.
_DIVERGENCE_WINDOW_TOKENS = 512
_DIVERGENCE_BYTES = 512 << 20
_LOG_PROB_BYTES = 4


class LocalBackend:
    """Computes answers with one loaded model, adapter on or off.

    Two backends may share a `LoadedModel`: that is how base and candidate are measured with one
    base in memory.

    Args:
        load: called when the first answer is computed.
        reference: the base that divergences are from, adapter off; None takes the loaded model itself.
        first_way: the fastest way of computing that is tried (see `harness.engines.fitting`).
    """

    def __init__(
        self,
        load: Callable[[], LoadedModel],
        *,
        adapter: bool,
        reference: Callable[[], LoadedModel] | None = None,
        limits: BatchLimits | None = None,
        first_way: WayName = "packed",
    ) -> None:
        self._load = load
        self._adapter = adapter
        self._reference = reference or load
        self._limits = limits or BatchLimits()
        self._first_way = first_way

    @property
    def way(self) -> str:
        """The way of computing that was found to fit; empty before one was looked for."""
        return self._strategy.way if "_strategy" in self.__dict__ else ""

    def plan(self, requests: Sequence[Request]) -> list[Batch]:
        """Batches of one kind of request each."""
        jobs = [
            *self._score_jobs(_of_kind(ScoreRequest, requests)),
            *self._generation_jobs(_of_kind(GenerateRequest, requests)),
            *self._choice_jobs(_of_kind(ChoiceRequest, requests)),
            *self._rolling_jobs(_of_kind(RollingRequest, requests)),
        ]
        return [
            *(Batch(job.numbers, partial(self._run, job)) for job in jobs),
            *self._divergence_batches(_of_kind(DivergenceRequest, requests)),
        ]

    def _score_jobs(self, asked: Mapping[int, ScoreRequest]) -> Iterator[BatchJob[Answer]]:
        return _renumbered(list(asked), self._strategy.plan_scores(self._pairs(list(asked.values()))))

    def _generation_jobs(self, asked: Mapping[int, GenerateRequest]) -> Iterator[BatchJob[Answer]]:
        prompts = [self._prompt(request) for request in asked.values()]
        return _renumbered(list(asked), self._strategy.plan_generations(list(asked.values()), prompts))

    def _choice_jobs(self, asked: Mapping[int, ChoiceRequest]) -> Iterator[BatchJob[Answer]]:
        """Each choice is scored as a continuation of the prompt they share."""
        indices = list(asked)
        for start in range(0, len(indices), _CHOICES_AT_ONCE):
            part = indices[start : start + _CHOICES_AT_ONCE]
            owned = [
                (index, ScoreRequest(asked[index].prompt, text)) for index in part for text in asked[index].choices
            ]
            jobs = self._strategy.plan_scores(self._pairs([score for _, score in owned]))
            yield BatchJob(part, partial(_choices, [index for index, _ in owned], jobs))

    def _rolling_jobs(self, asked: Mapping[int, RollingRequest]) -> Iterator[BatchJob[Answer]]:
        for index, request in asked.items():
            windows = rolling_windows(self._loaded.tokenizer, request.text, context_length(self._loaded))
            yield BatchJob([index], partial(_summed, index, self._strategy.plan_scores(windows)))

    def _divergence_batches(self, asked: Mapping[int, DivergenceRequest]) -> Iterator[Batch]:
        """As many texts at once as the base's distributions may take memory: it may have to be loaded for them."""
        if not asked:
            return
        size = min(_DIVERGENCE_WINDOW_TOKENS, context_length(self._loaded))
        vocabulary = len(self._loaded.tokenizer)
        part: dict[int, Sequence[TokenPair]] = {}
        held = 0
        for index, request in asked.items():
            windows = rolling_windows(self._loaded.tokenizer, request.text, size)
            tokens = sum(len(tail) for _, tail in windows)
            if part and (held + tokens) * vocabulary * _LOG_PROB_BYTES > _DIVERGENCE_BYTES:
                yield Batch(list(part), partial(self._divergences, part))
                part, held = {}, 0
            part[index], held = windows, held + tokens
        if part:
            yield Batch(list(part), partial(self._divergences, part))

    def _run(self, job: BatchJob[Answer]) -> Answers:
        """Answer one batch; out of memory, go on with half as much at once, now and in later batches.

        Raises:
            EngineError: not even a single request fits in memory.
        """
        import torch

        answered: set[int] = set()
        while len(answered) < len(job.numbers):
            try:
                with torch.inference_mode(), self._loaded.adapter(on=self._adapter) as model:
                    for index, answer in job.run(model):
                        if index not in answered:
                            answered.add(index)
                            yield index, answer
            except (RuntimeError, MemoryError) as exc:
                if not is_out_of_memory(exc):
                    raise
                if not self._strategy.shrink():
                    raise _no_memory(len(job.numbers) - len(answered)) from exc
                log.warning("out of memory; going on with half as much at once")
                gc.collect()
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()

    @cached_property
    def _loaded(self) -> LoadedModel:
        loaded = self._load()
        return loaded if self._adapter else replace(loaded, reserved_tokens=0)

    @cached_property
    def _is_reference(self) -> bool:
        return not self._adapter and self._load() is self._reference()

    @cached_property
    def _strategy(self) -> Strategy:
        return fitting_strategy(self._loaded, self._limits, first=self._first_way)

    def _divergences(self, asked: Mapping[int, Sequence[TokenPair]]) -> Answers:
        try:
            yield from self._divergences_from_base(asked)
        except (RuntimeError, MemoryError) as exc:
            if not is_out_of_memory(exc):
                raise
            raise _no_memory(len(asked)) from exc

    def _divergences_from_base(self, asked: Mapping[int, Sequence[TokenPair]]) -> Iterator[tuple[int, Divergence]]:
        """KL(base || model), summed over all positions that predict a token of the text; that of the base is 0.

        The base is asked of all texts first: the two need not be in memory together.
        """
        import torch

        if self._is_reference:
            for index, windows in asked.items():
                yield index, Divergence(0.0, sum(len(tail) for _, tail in windows), 0.0)
            return
        with torch.inference_mode(), self._reference().adapter(on=False) as bare:
            base = {index: [self._log_probs(bare, *window).cpu() for window in asked[index]] for index in asked}
        del bare
        for index, windows in asked.items():
            started, total = time.perf_counter(), 0.0
            with torch.inference_mode(), self._loaded.adapter(on=self._adapter) as model:
                for window, reference in zip(windows, base[index], strict=True):
                    own = self._log_probs(model, *window)
                    shared = min(own.shape[-1], reference.shape[-1])  # rows that pad the embeddings are no token's
                    reference = reference.to(own.device)[:, :shared]
                    total += float((reference.exp() * (reference - own[:, :shared])).sum())
            yield index, Divergence(total, sum(len(tail) for _, tail in windows), time.perf_counter() - started)

    def _log_probs(self, model: Any, context: Sequence[int], tail: Sequence[int]) -> torch.Tensor:
        import torch

        ids = torch.tensor([[*context, *tail][:-1]], device=self._loaded.device)
        logits = model(input_ids=ids, use_cache=False, logits_to_keep=len(tail)).logits[0, -len(tail) :]
        return torch.log_softmax(logits.float(), dim=-1)

    def _prompt(self, request: GenerateRequest) -> list[int]:
        limit = context_length(self._loaded)
        ids = prompt_tokens(self._loaded.tokenizer, request.prompt)
        if request.truncate:
            return ids[-max(1, limit - request.max_new_tokens) :]
        if len(ids) >= limit:
            raise _too_long(len(ids), limit, request)
        return ids

    def _pairs(self, requests: Sequence[ScoreRequest]) -> list[TokenPair]:
        limit = context_length(self._loaded) + 1  # the last token is predicted, not read
        pairs: list[TokenPair] = []
        for request, (context, tail) in zip(requests, score_tokens(self._loaded.tokenizer, requests), strict=True):
            excess = len(context) + len(tail) - limit
            if excess > 0 and not (request.truncate and excess < len(context)):
                raise _too_long(len(context) + len(tail), limit - 1, request)
            pairs.append((context[excess:], tail) if excess > 0 else (context, tail))
        return pairs


def _no_memory(left: int) -> EngineError:
    return EngineError(
        f"out of memory, even on a single request of {left} left",
        "use a smaller max_new_tokens, a lower --dtype, or a machine with more memory",
    )


def _too_long(tokens: int, limit: int, request: GenerateRequest | ScoreRequest) -> EngineError:
    return EngineError(
        f"a prompt of {tokens} tokens does not fit the model's context of {limit}: {request.prompt.display()[:80]!r}...",
        "shorten the prompt, use fewer few-shot examples, or a model with a longer context",
    )


def _of_kind(kind: type[R], requests: Sequence[Request]) -> dict[int, R]:
    """The requests of a kind, by index."""
    return {index: request for index, request in enumerate(requests) if isinstance(request, kind)}


def _renumbered(indices: Sequence[int], jobs: Sequence[BatchJob[Answer]]) -> Iterator[BatchJob[Answer]]:
    """Jobs over the requests of one kind, as jobs over all requests.

    Args:
        indices: of the kind's requests among all.
    """

    def run(job: BatchJob[Answer], model: Any) -> Answers:
        return ((indices[number], answer) for number, answer in job.run(model))

    return (BatchJob([indices[number] for number in job.numbers], partial(run, job)) for job in jobs)


def _choices(owners: Sequence[int], jobs: Sequence[BatchJob[Score]], model: Any) -> Iterator[tuple[int, Choice]]:
    """The answers to requests, each as soon as all of its choices are scored.

    Args:
        owners: index of the request that each score belongs to, those of one request in the order of its choices.
    """
    counts = Counter(owners)
    found: dict[int, dict[int, Score]] = {}
    for job in jobs:
        for number, score in job.run(model):
            mine = found.setdefault(owners[number], {})
            mine[number] = score
            if len(mine) == counts[owners[number]]:
                scores = [mine[key] for key in sorted(mine)]
                answer = Choice(
                    logprobs=tuple(score.logprob for score in scores),
                    prompt_tokens=max(score.prompt_tokens for score in scores),
                    completion_tokens=sum(score.completion_tokens for score in scores),
                    latency_s=max(score.latency_s for score in scores),
                )
                yield owners[number], answer


def _summed(index: int, jobs: Sequence[BatchJob[Score]], model: Any) -> Iterator[tuple[int, Score]]:
    """The windows of one text as one score."""
    scores = [score for job in jobs for _, score in job.run(model)]
    answer = Score(
        sum(s.logprob for s in scores),
        all(s.is_greedy for s in scores),
        prompt_tokens=0,
        completion_tokens=sum(s.completion_tokens for s in scores),
        latency_s=sum(s.latency_s for s in scores),
    )
    yield index, answer
