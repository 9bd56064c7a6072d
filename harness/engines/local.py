"""The in-process engine: transformers and PEFT on this machine's device."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from harness.engines.batching import plan_batches
from harness.engines.decoding import decode_batch
from harness.engines.rendering import prompt_tokens, score_tokens
from harness.engines.requests import Answer, GenerateRequest, Request, ScoreRequest
from harness.engines.scoring import score_batch
from harness.errors import EngineError
from harness.models.loading import LoadedModel

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BatchLimits:
    """What a batch may hold: tokens (rows times longest row) and rows."""

    tokens: int = 16_384
    rows: int = 32


class LocalBackend:
    """Computes answers with one loaded model, adapter on or off.

    Two backends may share a `LoadedModel`: that is how base and candidate are measured with one
    base in memory.
    """

    def __init__(self, load: Callable[[], LoadedModel], *, adapter: bool, limits: BatchLimits | None = None) -> None:
        self._load = load
        self._adapter = adapter
        self._limits = limits or BatchLimits()

    def plan(self, requests: Sequence[Request]) -> list[list[int]]:
        """Batches of request indices; scores and generations never share one.

        Raises:
            EngineError: a prompt does not fit the model's context.
        """
        batches: list[list[int]] = []
        for kind in (ScoreRequest, GenerateRequest):
            places = [i for i, request in enumerate(requests) if isinstance(request, kind)]
            lengths = [self._length(requests[i]) for i in places]
            plan = plan_batches(lengths, token_budget=self._limits.tokens, max_rows=self._limits.rows)
            batches += [[places[i] for i in batch] for batch in plan]
        return batches

    def run(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        """Answer one batch, yielding (index, answer) as each finishes.

        Out of memory, the unanswered rest is halved and tried again.

        Raises:
            EngineError: even a single request does not fit in memory.
        """
        waiting = deque([list(range(len(requests)))])
        while waiting:
            batch = waiting.popleft()
            answered: set[int] = set()
            try:
                for place, answer in self._compute([requests[i] for i in batch]):
                    answered.add(batch[place])
                    yield batch[place], answer
            except (RuntimeError, MemoryError) as exc:
                if not _is_out_of_memory(exc):
                    raise
                rest = [i for i in batch if i not in answered]
                if len(rest) == 1:
                    raise EngineError(
                        f"out of memory on a single request of {self._length(requests[rest[0]])} tokens",
                        "use a smaller max_new_tokens, a lower --dtype, or a machine with more memory",
                    ) from exc
                log.warning("out of memory on %d requests; going on with half", len(rest))
                _free_memory()
                waiting.extendleft([rest[len(rest) // 2 :], rest[: len(rest) // 2]])

    def _compute(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        import torch

        loaded = self._load()
        with torch.inference_mode(), loaded.adapter(on=self._adapter) as model:
            scores = [r for r in requests if isinstance(r, ScoreRequest)]
            if scores:
                pairs = [score_tokens(loaded.tokenizer, r) for r in scores]
                yield from score_batch(model, pairs, pad_id=loaded.tokenizer.pad_token_id, device=loaded.device)
                return
            generations = [r for r in requests if isinstance(r, GenerateRequest)]
            yield from decode_batch(
                model,
                loaded.tokenizer,
                generations,
                [prompt_tokens(loaded.tokenizer, r.prompt) for r in generations],
                eos_ids=eos_ids(loaded),
                context_length=context_length(loaded),
                device=loaded.device,
            )

    def _length(self, request: Request) -> int:
        """Tokens the request may occupy, answer included."""
        loaded = self._load()
        limit = context_length(loaded)
        if isinstance(request, ScoreRequest):
            context, tail = score_tokens(loaded.tokenizer, request)
            prompt, wanted = len(context) + len(tail), 0
        else:
            prompt, wanted = len(prompt_tokens(loaded.tokenizer, request.prompt)), request.max_new_tokens
        if prompt + bool(wanted) > limit:
            raise EngineError(
                f"a prompt of {prompt} tokens does not fit the model's context of {limit}: "
                f"{request.prompt.display()[:80]!r}...",
                "shorten the prompt, use fewer few-shot examples, or a model with a longer context",
            )
        return min(prompt + wanted, limit)


def context_length(loaded: LoadedModel) -> int:
    """The longest sequence the model has positions for."""
    config = loaded.model.config.get_text_config()
    return int(getattr(config, "max_position_embeddings", None) or 1 << 30)


def eos_ids(loaded: LoadedModel) -> frozenset[int]:
    """Every token that ends an answer: the generation config's (one or a list) and the tokenizer's."""
    configured = loaded.model.generation_config.eos_token_id
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(i for i in [*ids, loaded.tokenizer.eos_token_id] if i is not None)


def _is_out_of_memory(exc: Exception) -> bool:
    text = str(exc).lower()
    return isinstance(exc, MemoryError) or "out of memory" in text or "can't allocate memory" in text


def _free_memory() -> None:
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
