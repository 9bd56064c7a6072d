"""Strategies that share prefixes: what the tree modules plan and compute, for one loaded model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from harness.engines.prefix.computing import Decoder
from harness.engines.prefix.decoding import DecodingPlan
from harness.engines.prefix.forked_answers import ForkedAnswers
from harness.engines.prefix.forked_forward import ForkedForward
from harness.engines.prefix.packed_answers import PackedAnswers
from harness.engines.prefix.packed_forward import PackedForward
from harness.engines.prefix.scoring import ScoringPlan
from harness.engines.prefix.tree import Chunk
from harness.engines.requests import GenerateRequest, Generation, Score
from harness.engines.strategy import BatchJob, BatchLimits, TokenPair

if TYPE_CHECKING:
    from harness.models.loading import LoadedModel

# A forward this long keeps two cores busy; a longer one gains nothing and holds more memory.
_FORWARD_TOKENS = 2048
# A chunk is lost by a kill and computed whole on resuming: some seconds of work.
_CHUNK_TOKENS = 8192
_CHUNK_PAIRS = 512
# More prompts than run at once, so that waiting ones can take the places of finished ones.
_CHUNK_PROMPTS_PER_SLOT = 4
_LEAST_FORWARD_TOKENS = 64
# A forked beginning costs a forward of its own: on a CPU the reading of all weights, on a GPU the launching of all kernels, in
# the time of which many more tokens would be computed.
_FORKED_LEAST_SAVED_TOKENS = {"cpu": 16}
_FORKED_LEAST_SAVED_TOKENS_ELSEWHERE = 512
# Rows that enter are joined with those that are there, which copies all once more.
_FORKED_ENTERING = 0.25


class PrefixStrategy(ABC):
    """See `harness.engines.strategy.Strategy`. One object serves one setting of the adapter."""

    way: str

    def __init__(self, loaded: LoadedModel, limits: BatchLimits) -> None:
        self._loaded = loaded
        self._limits = limits
        self._reduced = limits  # by running out of memory: for what is computed, and not for what is planned
        self._forward_tokens = _FORWARD_TOKENS

    def plan_scores(self, pairs: Sequence[TokenPair]) -> list[BatchJob[Score]]:
        """Chunks of the tree of all pairs."""
        plan = ScoringPlan(pairs, max_tokens=_CHUNK_TOKENS, max_rows=_CHUNK_PAIRS, least_saved=self._least_saved)
        return [BatchJob(plan.numbers_of(chunk), partial(self._score, plan, chunk)) for chunk in plan.chunks]

    def plan_generations(
        self, requests: Sequence[GenerateRequest], prompts: Sequence[Sequence[int]]
    ) -> list[BatchJob[Generation]]:
        """Chunks of the tree of all prompts."""
        most = self._limits.rows * _CHUNK_PROMPTS_PER_SLOT
        plan = DecodingPlan(self._loaded, requests, prompts, max_rows=most, least_saved=self._least_saved)
        return [BatchJob(plan.numbers_of(chunk), partial(self._decode, plan, chunk)) for chunk in plan.chunks]

    def shrink(self) -> bool:
        """Half the tokens and half the answers at once."""
        self._forward_tokens //= 2
        self._reduced = replace(self._reduced, tokens=self._reduced.tokens // 2, rows=max(1, self._reduced.rows // 2))
        self.__dict__.pop("_decoder", None)
        return self._forward_tokens >= _LEAST_FORWARD_TOKENS

    @property
    def _least_saved(self) -> int:
        least = self._limits.least_saved
        return self._usual_saved if least is None else least

    @property
    def _usual_saved(self) -> int:
        """Tokens that a shared beginning must save to be computed by itself, if nobody says how many."""
        return 0

    @cached_property
    @abstractmethod
    def _decoder(self) -> Decoder[Any]:
        """Made anew after shrinking."""

    def _score(self, plan: ScoringPlan, chunk: Chunk, model: Any) -> Iterator[tuple[int, Score]]:
        # The forward is looked up when the job runs: shrinking replaces it.
        return plan.run(model, self._decoder.forward, chunk)

    def _decode(self, plan: DecodingPlan, chunk: Chunk, model: Any) -> Iterator[tuple[int, Generation]]:
        return plan.run(model, self._decoder, chunk, self._reduced)


class PackedStrategy(PrefixStrategy):
    """Prefixes are kept once, and read by an attention of our own (see `harness.engines.prefix.attention`)."""

    way = "packed attention"

    @cached_property
    def _decoder(self) -> Decoder[Any]:
        forward = PackedForward(self._loaded.device, pack_tokens=self._forward_tokens)
        return Decoder(forward, PackedAnswers, shares_path=True)


class ForkedStrategy(PrefixStrategy):
    """Prefixes are kept in the model's own cache, of which every row that continues one gets a copy.

    The model's own attention reads it, whatever that is: windows, caps, sinks, biases by position, recurrent states.
    """

    way = "forked caches"

    @property
    def _usual_saved(self) -> int:
        return _FORKED_LEAST_SAVED_TOKENS.get(self._loaded.device.type, _FORKED_LEAST_SAVED_TOKENS_ELSEWHERE)

    @cached_property
    def _decoder(self) -> Decoder[Any]:
        device, tokens = self._loaded.device, self._reduced.tokens
        forward = ForkedForward(
            device,
            forward_tokens=self._forward_tokens,
            cache_tokens=tokens,
            leaf_tokens=int(tokens * _FORKED_ENTERING),
        )
        start = partial(ForkedAnswers, device, virtual_tokens=self._loaded.reserved_tokens)
        return Decoder(forward, lambda slots, path: start(), shares_path=False, entering=_FORKED_ENTERING)
