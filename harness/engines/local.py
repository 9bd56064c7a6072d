"""The in-process engine: transformers and PEFT on this machine's device."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from harness.engines.choices import AT_ONCE, as_scores, gather
from harness.engines.divergence import WINDOW_TOKENS, divergence
from harness.engines.engine import Batch
from harness.engines.padded import PaddedWork
from harness.engines.prefix import PrefixWork, fits_prefix_sharing
from harness.engines.rendering import prompt_tokens, rolling_windows, score_tokens
from harness.engines.requests import (
    Answer,
    ChoiceRequest,
    DivergenceRequest,
    GenerateRequest,
    Request,
    RollingRequest,
    Score,
    ScoreRequest,
)
from harness.engines.work import BatchLimits, Job, TokenPair, Work, context_length
from harness.errors import EngineError

if TYPE_CHECKING:
    from harness.models.loading import LoadedModel

log = logging.getLogger(__name__)


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
        loaded = self._load()
        batches: list[Batch] = []
        scores = [(i, r) for i, r in enumerate(requests) if isinstance(r, ScoreRequest)]
        generations = [(i, r) for i, r in enumerate(requests) if isinstance(r, GenerateRequest)]
        for asked, jobs in (
            (scores, self._work.plan_scores(self._pairs([r for _, r in scores]))),
            (generations, self._plan_generations([r for _, r in generations])),
        ):
            batches += [Batch([asked[n][0] for n in job.numbers], (job, [i for i, _ in asked])) for job in jobs]
        choices = [(i, r) for i, r in enumerate(requests) if isinstance(r, ChoiceRequest)]
        for start in range(0, len(choices), AT_ONCE):
            part = choices[start : start + AT_ONCE]
            pairs = self._pairs(as_scores([r for _, r in part]))
            batches.append(Batch([i for i, _ in part], self._work.plan_scores(pairs)))
        for index, request in enumerate(requests):
            if isinstance(request, RollingRequest):
                windows = rolling_windows(loaded.tokenizer, request.text, context_length(loaded))
                batches.append(Batch([index], self._work.plan_scores(windows)))
            elif isinstance(request, DivergenceRequest):
                batches.append(Batch([index]))
        return batches

    def run(self, requests: Sequence[Request], batch: Batch) -> Iterator[tuple[int, Answer]]:
        """Answer one batch, yielding (index, answer) as each finishes.

        Out of memory, it goes on with half as much at once, now and in later batches.

        Raises:
            EngineError: not even a single request fits in memory.
        """
        answered: set[int] = set()
        while len(answered) < len(batch.indices):
            try:
                for index, answer in self._compute(requests, batch):
                    if index not in answered:
                        answered.add(index)
                        yield index, answer
            except (RuntimeError, MemoryError) as exc:
                if not _is_out_of_memory(exc):
                    raise
                if not self._work.shrink():
                    raise EngineError(
                        f"out of memory, even on a single request of {len(batch.indices) - len(answered)} left",
                        "use a smaller max_new_tokens, a lower --dtype, or a machine with more memory",
                    ) from exc
                log.warning("out of memory; going on with half as much at once")
                _free_memory()

    @cached_property
    def _work(self) -> Work:
        loaded = self._load()
        if self._share_prefixes and fits_prefix_sharing(loaded):
            return PrefixWork(loaded, self._limits)
        return PaddedWork(loaded, self._limits)

    def _compute(self, requests: Sequence[Request], batch: Batch) -> Iterator[tuple[int, Answer]]:
        import torch

        loaded = self._load()
        index = batch.indices[0]
        request = requests[index]
        if isinstance(request, DivergenceRequest):
            windows = rolling_windows(loaded.tokenizer, request.text, min(WINDOW_TOKENS, context_length(loaded)))
            yield index, divergence(loaded, windows, adapter=self._adapter)
            return
        with torch.inference_mode(), loaded.adapter(on=self._adapter) as model:
            if isinstance(request, RollingRequest):
                yield index, _sum([answer for job in batch.work for _, answer in job.run(model)])
            elif isinstance(request, ChoiceRequest):
                asked = [(i, len(r.choices)) for i in batch.indices if isinstance(r := requests[i], ChoiceRequest)]
                yield from gather(asked, (pair for job in batch.work for pair in job.run(model)))
            else:
                job, places = batch.work
                yield from ((places[number], answer) for number, answer in job.run(model))

    def _plan_generations(self, requests: Sequence[GenerateRequest]) -> list[Job]:
        return self._work.plan_generations(requests, [self._prompt(r) for r in requests])

    def _prompt(self, request: GenerateRequest) -> list[int]:
        loaded = self._load()
        limit = context_length(loaded)
        ids = prompt_tokens(loaded.tokenizer, request.prompt)
        if request.truncate:
            return ids[-max(1, limit - request.max_new_tokens) :]
        if len(ids) >= limit:
            raise _too_long(len(ids), limit, request)
        return ids

    def _pairs(self, requests: Sequence[ScoreRequest]) -> list[TokenPair]:
        loaded = self._load()
        limit = context_length(loaded) + 1  # the last token is predicted, not read
        pairs: list[TokenPair] = []
        for request, (context, tail) in zip(requests, score_tokens(loaded.tokenizer, requests), strict=True):
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


def _sum(parts: Sequence[Answer]) -> Score:
    """The windows of one text as one score."""
    scores = [part for part in parts if isinstance(part, Score)]
    return Score(
        sum(s.logprob for s in scores),
        all(s.is_greedy for s in scores),
        0,
        sum(s.completion_tokens for s in scores),
        sum(s.latency_s for s in scores),
    )


def _is_out_of_memory(exc: Exception) -> bool:
    text = str(exc).lower()
    return isinstance(exc, MemoryError) or "out of memory" in text or "can't allocate memory" in text


def _free_memory() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
