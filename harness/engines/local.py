"""The in-process engine: transformers and PEFT on this machine's device."""

from __future__ import annotations

import gc
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

from harness.engines.engine import Batch
from harness.engines.padded import PaddedStrategy
from harness.engines.prefix import PrefixStrategy, fits_prefix_sharing
from harness.engines.rendering import prompt_tokens, rolling_windows, score_tokens
from harness.engines.requests import (
    Answer,
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

if TYPE_CHECKING:
    from harness.models.loading import LoadedModel

log = logging.getLogger(__name__)

R = TypeVar("R", bound=Request)

# Prompts in a batch: a kill loses no more, and what they have in common is computed once.
_CHOICES_AT_ONCE = 64
# Two full sets of logits are alive at once.
_DIVERGENCE_WINDOW_TOKENS = 512


class LocalBackend:
    """Computes answers with one loaded model, adapter on or off.

    Two backends may share a `LoadedModel`: that is how base and candidate are measured with one
    base in memory.

    Args:
        load: called when the first answer is computed.
        share_prefixes: False computes every request by itself, as for a model that sharing does not fit.
    """

    def __init__(
        self,
        load: Callable[[], LoadedModel],
        *,
        adapter: bool,
        limits: BatchLimits | None = None,
        share_prefixes: bool = True,
    ) -> None:
        self._load = load
        self._adapter = adapter
        self._limits = limits or BatchLimits()
        self._share_prefixes = share_prefixes

    def plan(self, requests: Sequence[Request]) -> list[Batch]:
        """Batches of one kind of request each.

        Raises:
            EngineError: a prompt does not fit the model's context.
        """
        return [
            *self._plan_scores(_of_kind(ScoreRequest, requests)),
            *self._plan_generations(_of_kind(GenerateRequest, requests)),
            *self._plan_choices(_of_kind(ChoiceRequest, requests)),
            *self._plan_rolling(_of_kind(RollingRequest, requests)),
            *self._plan_divergences(_of_kind(DivergenceRequest, requests)),
        ]

    def _plan_scores(self, asked: Mapping[int, ScoreRequest]) -> Iterator[Batch]:
        return self._placed(asked, self._strategy.plan_scores(self._pairs(list(asked.values()))))

    def _plan_generations(self, asked: Mapping[int, GenerateRequest]) -> Iterator[Batch]:
        prompts = [self._prompt(request) for request in asked.values()]
        return self._placed(asked, self._strategy.plan_generations(list(asked.values()), prompts))

    def _plan_choices(self, asked: Mapping[int, ChoiceRequest]) -> Iterator[Batch]:
        """Each choice is scored as a continuation of the prompt they share."""
        indices = list(asked)
        for start in range(0, len(indices), _CHOICES_AT_ONCE):
            part = {index: asked[index] for index in indices[start : start + _CHOICES_AT_ONCE]}
            scores = [ScoreRequest(request.prompt, choice) for request in part.values() for choice in request.choices]
            owners = [index for index, request in part.items() for _ in request.choices]
            yield self._batch(list(part), partial(_choices, owners, self._strategy.plan_scores(self._pairs(scores))))

    def _plan_rolling(self, asked: Mapping[int, RollingRequest]) -> Iterator[Batch]:
        for index, request in asked.items():
            windows = rolling_windows(self._loaded.tokenizer, request.text, context_length(self._loaded))
            yield self._batch([index], partial(_summed, index, self._strategy.plan_scores(windows)))

    def _plan_divergences(self, asked: Mapping[int, DivergenceRequest]) -> Iterator[Batch]:
        for index, request in asked.items():
            yield Batch([index], partial(self._run, [index], partial(self._divergence, index, request.text)))

    def _placed(self, asked: Mapping[int, Request], jobs: Sequence[BatchJob[Answer]]) -> Iterator[Batch]:
        indices = list(asked)
        for job in jobs:
            yield self._batch([indices[number] for number in job.numbers], partial(_renumbered, indices, job))

    def _batch(self, indices: Sequence[int], answers: Callable[[Any], Iterator[tuple[int, Answer]]]) -> Batch:
        return Batch(indices, partial(self._run, indices, partial(self._with_model, answers)))

    def _with_model(self, answers: Callable[[Any], Iterator[tuple[int, Answer]]]) -> Iterator[tuple[int, Answer]]:
        import torch

        with torch.inference_mode(), self._loaded.adapter(on=self._adapter) as model:
            yield from answers(model)

    def _run(
        self, indices: Sequence[int], compute: Callable[[], Iterator[tuple[int, Answer]]]
    ) -> Iterator[tuple[int, Answer]]:
        """Answer one batch; out of memory, go on with half as much at once, now and in later batches.

        Raises:
            EngineError: not even a single request fits in memory.
        """
        answered: set[int] = set()
        while len(answered) < len(indices):
            try:
                for index, answer in compute():
                    if index not in answered:
                        answered.add(index)
                        yield index, answer
            except (RuntimeError, MemoryError) as exc:
                if not _is_out_of_memory(exc):
                    raise
                if not self._strategy.shrink():
                    raise EngineError(
                        f"out of memory, even on a single request of {len(indices) - len(answered)} left",
                        "use a smaller max_new_tokens, a lower --dtype, or a machine with more memory",
                    ) from exc
                log.warning("out of memory; going on with half as much at once")
                _free_memory()

    @cached_property
    def _loaded(self) -> LoadedModel:
        return self._load()

    @cached_property
    def _strategy(self) -> Strategy:
        if self._share_prefixes and fits_prefix_sharing(self._loaded):
            return PrefixStrategy(self._loaded, self._limits)
        return PaddedStrategy(self._loaded, self._limits)

    def _divergence(self, index: int, text: str) -> Iterator[tuple[int, Divergence]]:
        """KL(base || model), summed over all positions that predict a token of the text; that of the base is 0."""
        import torch

        loaded = self._loaded
        window_tokens = min(_DIVERGENCE_WINDOW_TOKENS, context_length(loaded))
        windows = rolling_windows(loaded.tokenizer, text, window_tokens)
        started = time.perf_counter()
        total, tokens = 0.0, 0
        with torch.inference_mode():
            for context, tail in windows:
                ids = torch.tensor([[*context, *tail][:-1]], device=loaded.device)
                log_probs = []
                for on in (False, self._adapter):
                    with loaded.adapter(on=on) as model:
                        logits = model(input_ids=ids, use_cache=False, logits_to_keep=len(tail)).logits[0]
                    log_probs.append(torch.log_softmax(logits.float(), dim=-1))
                base, candidate = log_probs
                total += float((base.exp() * (base - candidate)).sum())
                tokens += len(tail)
        yield index, Divergence(total, tokens, time.perf_counter() - started)

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


def _too_long(tokens: int, limit: int, request: GenerateRequest | ScoreRequest) -> EngineError:
    return EngineError(
        f"a prompt of {tokens} tokens does not fit the model's context of {limit}: {request.prompt.display()[:80]!r}...",
        "shorten the prompt, use fewer few-shot examples, or a model with a longer context",
    )


def _of_kind(kind: type[R], requests: Sequence[Request]) -> dict[int, R]:
    """The requests of a kind, by index."""
    return {index: request for index, request in enumerate(requests) if isinstance(request, kind)}


def _renumbered(indices: Sequence[int], job: BatchJob[Answer], model: Any) -> Iterator[tuple[int, Answer]]:
    return ((indices[number], answer) for number, answer in job.run(model))


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
                yield (
                    owners[number],
                    Choice(
                        logprobs=tuple(score.logprob for score in scores),
                        prompt_tokens=max(score.prompt_tokens for score in scores),
                        completion_tokens=sum(score.completion_tokens for score in scores),
                        latency_s=max(score.latency_s for score in scores),
                    ),
                )


def _summed(index: int, jobs: Sequence[BatchJob[Score]], model: Any) -> Iterator[tuple[int, Score]]:
    """The windows of one text as one score."""
    scores = [score for job in jobs for _, score in job.run(model)]
    yield (
        index,
        Score(
            sum(s.logprob for s in scores),
            all(s.is_greedy for s in scores),
            0,
            sum(s.completion_tokens for s in scores),
            sum(s.latency_s for s in scores),
        ),
    )


def _is_out_of_memory(exc: Exception) -> bool:
    text = str(exc).lower()
    return isinstance(exc, MemoryError) or "out of memory" in text or "can't allocate memory" in text


def _free_memory() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
