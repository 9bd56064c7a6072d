"""Packs that share prefixes: what the tree modules plan and compute, for one loaded model."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.engines.decoding import Row, new_row
from harness.engines.prefix.decoding import DecodingPlan
from harness.engines.prefix.forward import PACK_TOKENS, PrefixForward
from harness.engines.prefix.scoring import ScoringPlan
from harness.engines.prefix.tree import Chunk
from harness.engines.requests import GenerateRequest, Generation, Score
from harness.engines.strategy import BatchJob, BatchLimits, TokenPair, context_length, eos_ids
from harness.errors import first_line

if TYPE_CHECKING:
    from harness.models.loading import LoadedModel

log = logging.getLogger(__name__)

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
        return [BatchJob(plan.pairs_of(chunk), partial(self._score, plan, chunk)) for chunk in plan.chunks]

    def plan_generations(
        self, requests: Sequence[GenerateRequest], prompts: Sequence[Sequence[int]]
    ) -> list[BatchJob[Generation]]:
        """Chunks of the tree of all prompts."""
        plan = DecodingPlan(prompts, max_tokens=1 << 30, max_rows=self._limits.rows * _CHUNK_PROMPTS_PER_SLOT)
        decode = partial(self._decode, plan, requests, prompts)
        return [BatchJob(plan.requests_of(chunk), partial(decode, chunk)) for chunk in plan.chunks]

    def shrink(self) -> bool:
        """Half the tokens and half the answers at once."""
        self._pack_tokens //= 2
        self._slots = max(1, self._slots // 2)
        self._forward = PrefixForward(self._loaded.device, pack_tokens=self._pack_tokens)
        return self._pack_tokens >= _LEAST_PACK_TOKENS

    def _score(self, plan: ScoringPlan, chunk: Chunk, model: Any) -> Iterator[tuple[int, Score]]:
        # The forward is looked up when the job runs: shrinking replaces it.
        return plan.run(model, self._forward, chunk)

    def _decode(
        self,
        plan: DecodingPlan,
        requests: Sequence[GenerateRequest],
        prompts: Sequence[Sequence[int]],
        chunk: Chunk,
        model: Any,
    ) -> Iterator[tuple[int, Generation]]:
        context = context_length(self._loaded)
        shared = sum(len(node.tokens) for node in chunk.path)
        numbers = plan.requests_of(chunk)
        capacity = max(min(len(prompts[n]) + requests[n].max_new_tokens, context) - shared for n in numbers)

        def row(number: int) -> Row:
            length = len(prompts[number])
            return new_row(number, requests[number], length, context_length=context, device=self._loaded.device)

        yield from plan.run(
            model,
            self._forward,
            chunk,
            new_row=row,
            slots=max(1, min(self._slots, self._limits.tokens // capacity)),
            tokenizer=self._loaded.tokenizer,
            eos_ids=eos_ids(self._loaded),
        )


def fits_prefix_sharing(loaded: LoadedModel) -> bool:
    """Whether this model computes the same over shared prefixes as over whole sequences.

    Tried, not looked up in a list: a short prefix with two continuations, packed and plain. Models
    whose attention does not go through transformers' interface, or is more than softmax over all keys
    before (sliding windows, biases, caps, recurrent state), differ or raise.
    """
    import torch

    config = loaded.model.config.get_text_config()
    window = getattr(config, "sliding_window", None)
    if window and getattr(config, "use_sliding_window", True) and window < context_length(loaded):
        log.warning("attention windows of %d tokens: prefixes are not shared", window)
        return False
    vocabulary = config.vocab_size
    prefix = [(7 * i + 3) % vocabulary for i in range(24)]
    pairs = [(prefix, [(11 * i + k) % vocabulary for i in range(1, 9)]) for k in (5, 6)]
    with torch.inference_mode(), loaded.adapter(on=False) as model:
        try:
            plan = ScoringPlan(pairs, max_tokens=1024, max_rows=8)
            forward = PrefixForward(loaded.device)
            packed = {n: s.logprob for chunk in plan.chunks for n, s in plan.run(model, forward, chunk)}
        except (RuntimeError, TypeError, AttributeError, KeyError, ValueError, IndexError) as exc:
            log.warning("prefixes are not shared with this model: %s", first_line(exc))
            return False
        for number, (context, tail) in enumerate(pairs):
            ids = torch.tensor([[*context, *tail]], device=loaded.device)
            log_probs = torch.log_softmax(model(input_ids=ids, use_cache=False).logits[0].float(), dim=-1)
            plain = sum(log_probs[len(context) - 1 + i, token].item() for i, token in enumerate(tail))
            # bfloat16 moves a sum of eight by some tenths; another attention moves it by several nats.
            if not abs(plain - packed[number]) < 0.02 * abs(plain) + 0.05:
                log.warning("prefixes are not shared with this model: %.3f packed, %.3f plain", packed[number], plain)
                return False
    return True
