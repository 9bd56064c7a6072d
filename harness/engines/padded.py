"""Every request by itself, in left-padded batches: fits any model, shares nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.engines.batching import plan_batches
from harness.engines.padded_decoding import decode_batch
from harness.engines.padded_scoring import score_batch
from harness.engines.requests import Answer, GenerateRequest
from harness.engines.work import BatchLimits, Job, TokenPair, context_length, eos_ids

if TYPE_CHECKING:
    from harness.models.loading import LoadedModel


class PaddedWork:
    """See `harness.engines.work.Work`."""

    def __init__(self, loaded: LoadedModel, limits: BatchLimits) -> None:
        self._loaded = loaded
        self._limits = limits
        self._rows = limits.rows

    def plan_scores(self, pairs: Sequence[TokenPair]) -> list[Job]:
        """Batches of pairs of like length."""

        def run(model: Any, numbers: Sequence[int]) -> Iterator[tuple[int, Answer]]:
            pad_id = self._loaded.tokenizer.pad_token_id
            for part in self._parts(numbers):
                found = score_batch(model, [pairs[n] for n in part], pad_id=pad_id, device=self._loaded.device)
                yield from ((part[place], score) for place, score in found)

        return self._jobs([len(context) + len(tail) for context, tail in pairs], run)

    def plan_generations(self, requests: Sequence[GenerateRequest], prompts: Sequence[Sequence[int]]) -> list[Job]:
        """Batches of prompts of like length."""

        def run(model: Any, numbers: Sequence[int]) -> Iterator[tuple[int, Answer]]:
            for part in self._parts(numbers):
                found = decode_batch(
                    model,
                    self._loaded.tokenizer,
                    [requests[n] for n in part],
                    [prompts[n] for n in part],
                    eos_ids=eos_ids(self._loaded),
                    context_length=context_length(self._loaded),
                    device=self._loaded.device,
                )
                yield from ((part[place], answer) for place, answer in found)

        return self._jobs([len(p) + r.max_new_tokens for p, r in zip(prompts, requests, strict=True)], run)

    def shrink(self) -> bool:
        """Half the rows at once."""
        self._rows = min(self._rows, self._limits.rows) // 2
        return self._rows > 0

    def _jobs(self, lengths: Sequence[int], run: Any) -> list[Job]:
        batches = plan_batches(lengths, token_budget=self._limits.tokens, max_rows=self._limits.rows)
        return [Job(batch, partial(run, numbers=batch)) for batch in batches]

    def _parts(self, numbers: Sequence[int]) -> Iterator[Sequence[int]]:
        start = 0
        while start < len(numbers):
            yield numbers[start : start + self._rows]
            start += self._rows
