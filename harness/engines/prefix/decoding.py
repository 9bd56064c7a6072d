"""Generation over a prefix tree: shared prompts once; finished rows leave, waiting ones enter."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.engines.decoding import Row, choose_tokens, finished_answer, new_row
from harness.engines.prefix.attention import Block, Pack, Read, matmul_attention, prefix_attention
from harness.engines.prefix.forward import Computed, PrefixForward
from harness.engines.prefix.tree import Chunk, ChunkedTree, Node
from harness.engines.requests import GenerateRequest, Generation
from harness.engines.strategy import BatchLimits, context_length, eos_ids

if TYPE_CHECKING:
    import torch

    from harness.models.loading import LoadedModel

# Copying all keys and values once in so many steps costs nothing to speak of, and so few padded columns cost little.
_WIDTH_STEP_TOKENS = 64


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
    ) -> None:
        super().__init__(prompts, [len(prompt) - 1 for prompt in prompts], max_tokens=1 << 30, max_rows=max_rows)
        self._loaded = loaded
        self._requests = requests
        self._prompts = prompts

    def run(
        self, model: Any, forward: PrefixForward, chunk: Chunk, limits: BatchLimits
    ) -> Iterator[tuple[int, Generation]]:
        """Answer a chunk's requests, yielding (number of the request, answer) as each finishes."""
        started = time.perf_counter()
        shared = len(chunk.path)
        slots = max(1, min(limits.rows, limits.tokens // self._capacity(chunk)))
        tokenizer, eos = self._loaded.tokenizer, eos_ids(self._loaded)
        arriving = self._prefilled(forward.run(model, chunk, _last_position, keep_leaves=True))
        batch = _Batch(slots)
        waiting: list[_Arrival] = []
        more = True
        while True:
            while more and len(waiting) + len(batch.rows) < slots:
                arrival = next(arriving, None)
                more = arrival is not None
                if arrival is not None:
                    waiting.append(arrival)
            while waiting and len(batch.rows) < slots:
                batch.enter(waiting.pop(0), shared)
            if not batch.rows:
                return
            for slot, token in reversed(list(enumerate(choose_tokens(batch.logits, batch.rows).tolist()))):
                row = batch.rows[slot]
                row.tokens.append(token)
                answer = finished_answer(row, tokenizer, eos, started)
                if answer is not None:
                    yield row.index, answer
                    batch.leave(slot)
            if batch.rows:
                batch.step(model)

    def _capacity(self, chunk: Chunk) -> int:
        """Tokens that the longest of a chunk's answers can come to hold, the blocks that all share aside."""
        shared = sum(len(node.tokens) for node in chunk.path)
        most = max(len(self._prompts[n]) + self._requests[n].max_new_tokens for n in self.numbers_of(chunk))
        return min(most, context_length(self._loaded)) - shared

    def _prefilled(self, computed: Iterator[Computed]) -> Iterator[_Arrival]:
        for node in computed:
            for number in (number for row in node.node.rows for number in self.row_numbers[row]):
                row = new_row(number, self._requests[number], self._prompts[number], self._loaded)
                yield _Arrival(row, node.chain, node.logits[0], node.node.stop)


@dataclass(frozen=True)
class _Arrival:
    """A prompt after its prefill; logits of shape (vocabulary,) for the first token of the answer."""

    row: Row
    chain: Sequence[Block]
    logits: torch.Tensor
    position: int


class _Batch:
    """Answers in progress: slots 0 to n hold them without a gap, in this order in every tensor.

    Attributes:
        logits: shape (n, vocabulary), for the next token of each.
    """

    def __init__(self, slots: int) -> None:
        self.rows: list[Row] = []
        self.logits: torch.Tensor = None  # type: ignore[assignment] # there are none before the first row enters
        self._slots = slots
        self._keys: list[torch.Tensor] = []
        self._values: list[torch.Tensor] = []
        self._lengths: list[int] = []
        self._positions: list[int] = []
        self._path: Sequence[Block] = ()

    def enter(self, arrival: _Arrival, shared: int) -> None:
        """Take a row in; the first `shared` blocks of its chain are read by all rows, the others are its own."""
        import torch

        self._path = arrival.chain[:shared]
        slot = len(self.rows)
        own = arrival.chain[shared:]
        self._lengths.append(sum(block.layers[0][0].shape[2] for block in own))
        if not self._keys:
            for pair in arrival.chain[0].layers:
                for held, tensor in zip((self._keys, self._values), pair, strict=True):
                    held.append(tensor.new_zeros(self._slots, tensor.shape[1], 0, tensor.shape[3]))
        self._fit_width()
        start = 0
        for block in own:
            stop = start + block.layers[0][0].shape[2]
            for layer, (keys, values) in enumerate(block.layers):
                self._keys[layer][slot, :, start:stop] = keys[0]
                self._values[layer][slot, :, start:stop] = values[0]
            start = stop
        self.rows.append(arrival.row)
        self._positions.append(arrival.position)
        first = arrival.logits[None]
        self.logits = first if slot == 0 else torch.cat([self.logits, first])

    def leave(self, slot: int) -> None:
        """Let a row go; the last one takes its slot."""
        last = len(self.rows) - 1
        if slot != last:
            for tensor in (*self._keys, *self._values, self.logits):
                tensor[slot] = tensor[last]
        columns: tuple[list[Any], ...] = (self.rows, self._lengths, self._positions)
        for entries in columns:
            entries[slot] = entries[last]
            entries.pop()
        self.logits = self.logits[:last]

    def step(self, model: Any) -> None:
        """Feed every row its newest token; `logits` are then those of the token after it."""
        import torch

        device = self.logits.device
        n = len(self.rows)
        self._fit_width()
        ids = torch.tensor([[row.tokens[-1] for row in self.rows]], device=device)
        positions = torch.tensor([self._positions], device=device)
        own = _Running(self._keys, self._values, torch.tensor(self._lengths, device=device))
        pack = Pack(own, [Read(0, n, block) for block in self._path])
        with prefix_attention(model, pack):
            self.logits = model(input_ids=ids, position_ids=positions, use_cache=False, logits_to_keep=n).logits[0]
        self._lengths = [length + 1 for length in self._lengths]
        self._positions = [position + 1 for position in self._positions]

    def _fit_width(self) -> None:
        """Give the tensors room for the longest row and its next token, and little more.

        They are used as wide as they are, since slices of them would not be contiguous (see `matmul_attention`).
        """
        import torch

        width = -(-(max(self._lengths) + 1) // _WIDTH_STEP_TOKENS) * _WIDTH_STEP_TOKENS
        extra = width - self._keys[0].shape[2]
        if extra:
            for tensors in (self._keys, self._values):
                for layer, tensor in enumerate(tensors):
                    tensors[layer] = torch.nn.functional.pad(tensor, (0, 0, 0, extra))


class _Running:
    """One new token a row, each attending to its row's own keys and values (see `prefix.attention.Own`)."""

    def __init__(self, keys: list[torch.Tensor], values: list[torch.Tensor], lengths: torch.Tensor) -> None:
        import torch

        self._keys, self._values, self._lengths = keys, values, lengths
        self._rows = torch.arange(len(lengths), device=lengths.device)
        seen = torch.arange(keys[0].shape[2], device=lengths.device) <= lengths[:, None]
        self._mask = torch.zeros(seen.shape, device=lengths.device).masked_fill(~seen, float("-inf"))[:, None, None]

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See `prefix.attention.Own`."""
        n = len(self._lengths)
        keys, values = self._keys[layer], self._values[layer]
        keys[self._rows, :, self._lengths] = key.transpose(0, 1)
        values[self._rows, :, self._lengths] = value.transpose(0, 1)
        query = query.transpose(0, 1).unsqueeze(2)
        out, log_sum = matmul_attention(query, keys[:n], values[:n], scaling=scaling, mask=self._mask)
        return out.squeeze(2).transpose(0, 1).contiguous(), log_sum.squeeze(2).transpose(0, 1).contiguous()


def _last_position(node: Node) -> Sequence[int]:
    return [node.stop - 1] if node.rows else []
