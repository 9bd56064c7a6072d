"""Packs that share prefixes: what the tree modules plan and compute, for one loaded model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.engines.prefix.decoding import DecodingPlan
from harness.engines.prefix.forward import PACK_TOKENS, PrefixForward
from harness.engines.prefix.scoring import ScoringPlan
from harness.engines.prefix.tree import Chunk
from harness.engines.requests import GenerateRequest, Generation, Score
from harness.engines.strategy import BatchJob, BatchLimits, TokenPair

if TYPE_CHECKING:
    from harness.models.loading import LoadedModel

# A chunk is lost by a kill and computed whole on resuming: some seconds of work.
_CHUNK_TOKENS = 8192
_CHUNK_PAIRS = 512
# More prompts than run at once, so that waiting ones can take the places of finished ones.
_CHUNK_PROMPTS_PER_SLOT = 4
_LEAST_PACK_TOKENS = 64


class PrefixStrategy:
    """See `harness.engines.strategy.Strategy`. One object serves one setting of the adapter."""

    def __init__(self, loaded: LoadedModel, limits: BatchLimits) -> None:
        self._loaded = loaded
        self._limits = limits
        self._slots = limits.rows
        self._pack_tokens = PACK_TOKENS
        self._forward = PrefixForward(loaded.device, pack_tokens=self._pack_tokens)

    def plan_scores(self, pairs: Sequence[TokenPair]) -> list[BatchJob[Score]]:
        """Chunks of the tree of all pairs."""
        plan = ScoringPlan(pairs, max_tokens=_CHUNK_TOKENS, max_rows=_CHUNK_PAIRS)
        return [BatchJob(plan.numbers_of(chunk), partial(self._score, plan, chunk)) for chunk in plan.chunks]

    def plan_generations(
        self, requests: Sequence[GenerateRequest], prompts: Sequence[Sequence[int]]
    ) -> list[BatchJob[Generation]]:
        """Chunks of the tree of all prompts."""
        plan = DecodingPlan(self._loaded, requests, prompts, max_rows=self._limits.rows * _CHUNK_PROMPTS_PER_SLOT)
        return [BatchJob(plan.numbers_of(chunk), partial(self._decode, plan, chunk)) for chunk in plan.chunks]

    def shrink(self) -> bool:
        """Half the tokens and half the answers at once."""
        self._pack_tokens //= 2
        self._slots = max(1, self._slots // 2)
        self._forward = PrefixForward(self._loaded.device, pack_tokens=self._pack_tokens)
        return self._pack_tokens >= _LEAST_PACK_TOKENS

    def _score(self, plan: ScoringPlan, chunk: Chunk, model: Any) -> Iterator[tuple[int, Score]]:
        # The forward is looked up when the job runs: shrinking replaces it.
        return plan.run(model, self._forward, chunk)

    def _decode(self, plan: DecodingPlan, chunk: Chunk, model: Any) -> Iterator[tuple[int, Generation]]:
        return plan.run(model, self._forward, chunk, BatchLimits(self._limits.tokens, self._slots))
