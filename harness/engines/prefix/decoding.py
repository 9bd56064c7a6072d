"""Generation over a prefix tree: shared prompts once; finished rows leave, waiting ones enter."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from harness.engines.decoding import choose_tokens, finished_answer, new_row
from harness.engines.prefix.computing import Arrival, Computed, Decoder, Kept
from harness.engines.prefix.tree import Chunk, ChunkedTree, Node
from harness.engines.requests import GenerateRequest, Generation
from harness.engines.strategy import BatchLimits, context_length, eos_ids

if TYPE_CHECKING:
    from harness.models.loading import LoadedModel


class DecodingPlan(ChunkedTree):
    """Chunks of many prompts. Equal prompts (several samples of one) are one sequence.

    Args:
        prompts: token ids, those of a request each.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        requests: Sequence[GenerateRequest],
        prompts: Sequence[Sequence[int]],
        *,
        max_rows: int,
        least_saved: int = 0,
    ) -> None:
        first = [len(prompt) - 1 for prompt in prompts]
        super().__init__(prompts, first, max_tokens=1 << 30, max_rows=max_rows, least_saved=least_saved)
        self._loaded = loaded
        self._requests = requests
        self._prompts = prompts

    def run(
        self, model: Any, decoder: Decoder[Kept], chunk: Chunk, limits: BatchLimits
    ) -> Iterator[tuple[int, Generation]]:
        """Answer a chunk's requests, yielding (number of the request, answer) as each finishes."""
        started = time.perf_counter()
        tokens = int(limits.tokens * (1 - decoder.entering))
        slots = max(1, min(limits.rows, tokens // self._capacity(chunk, shares_path=decoder.shares_path)))
        together = max(1, int(slots * decoder.entering))
        tokenizer, eos = self._loaded.tokenizer, eos_ids(self._loaded)
        arriving = self._prefilled(decoder.forward.run(model, chunk, _last_position, keep_leaves=True))
        batch = decoder.start(slots, len(chunk.path))
        waiting: list[Arrival[Kept]] = []
        more = True
        while True:
            while slots - len(batch.rows) >= together and (more or waiting):
                while more and len(waiting) < together:
                    arrival = next(arriving, None)
                    more = arrival is not None
                    if arrival is not None:
                        waiting.append(arrival)
                if waiting:
                    batch.enter(waiting[:together])
                    del waiting[:together]
            if not batch.rows:
                return
            ended: list[int] = []
            for slot, token in enumerate(choose_tokens(batch.logits, batch.rows).tolist()):
                row = batch.rows[slot]
                row.tokens.append(token)
                answer = finished_answer(row, tokenizer, eos, started)
                if answer is not None:
                    yield row.index, answer
                    ended.append(slot)
            if ended:
                batch.leave(ended)
            if batch.rows:
                batch.step(model)

    def _capacity(self, chunk: Chunk, *, shares_path: bool) -> int:
        """Tokens that the longest of a chunk's answers can come to hold, those held once for all aside."""
        shared = sum(len(node.tokens) for node in chunk.path) if shares_path else 0
        most = max(len(self._prompts[n]) + self._requests[n].max_new_tokens for n in self.numbers_of(chunk))
        return min(most, context_length(self._loaded)) - shared

    def _prefilled(self, computed: Iterator[Computed[Kept]]) -> Iterator[Arrival[Kept]]:
        for node in computed:
            for number in (number for row in node.node.rows for number in self.row_numbers[row]):
                row = new_row(number, self._requests[number], self._prompts[number], self._loaded)
                yield Arrival(row, node.kept, node.logits[0], node.node.stop)


def _last_position(node: Node) -> Sequence[int]:
    return [node.stop - 1] if node.rows else []
