"""Generation over a prefix tree: shared prompts once; finished rows leave, waiting ones enter."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.engines.decoding import Row, choose_tokens, finished_answer
from harness.engines.prefix.attention import Block, Pack, Read, matmul_attention, prefix_attention
from harness.engines.prefix.forward import Computed, PrefixForward
from harness.engines.prefix.tree import Chunk, Node, build_tree, cut_chunks, distinct
from harness.engines.requests import Generation

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

# Copying all keys and values once in so many steps costs nothing to speak of, and so few padded columns cost little.
_WIDTH_STEP_TOKENS = 64

NewRow = Callable[[int], Row]


class DecodingPlan:
    """The tree of many prompts and its chunks. Equal prompts (several samples of one) are one sequence."""

    def __init__(self, prompts: Sequence[Sequence[int]], *, max_tokens: int, max_rows: int) -> None:
        sequences, self._row_requests = distinct(prompts)
        roots = build_tree(sequences, [len(sequence) - 1 for sequence in sequences])
        self.chunks = cut_chunks(roots, max_tokens=max_tokens, max_rows=max_rows)

    def requests_of(self, chunk: Chunk) -> list[int]:
        """The requests a chunk answers."""
        return [number for row in chunk.rows for number in self._row_requests[row]]

    def run(
        self,
        model: Any,
        forward: PrefixForward,
        chunk: Chunk,
        *,
        new_row: NewRow,
        slots: int,
        tokenizer: PreTrainedTokenizerBase,
        eos_ids: frozenset[int],
    ) -> Iterator[tuple[int, Generation]]:
        """Answer a chunk's requests, yielding (number of the request, answer) as each finishes.

        Args:
            new_row: the empty answer to a request.
            slots: answers in progress at once.
        """
        started = time.perf_counter()
        shared = len(chunk.path)
        arriving = self._prefilled(forward.run(model, chunk, _last_position, keep_leaves=True), new_row)
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
            for place, token in reversed(list(enumerate(choose_tokens(batch.logits, batch.rows).tolist()))):
                row = batch.rows[place]
                row.tokens.append(token)
                answer = finished_answer(row, tokenizer, eos_ids, started)
                if answer is not None:
                    yield row.index, answer
                    batch.leave(place)
            if batch.rows:
                with prefix_attention(model):
                    batch.step(model)

    def _prefilled(self, computed: Iterator[Computed], new_row: NewRow) -> Iterator[_Arrival]:
        for node in computed:
            for row in node.node.rows:
                for number in self._row_requests[row]:
                    yield _Arrival(new_row(number), node.chain, node.logits[0], node.node.stop)


@dataclass(frozen=True)
class _Arrival:
    """A prompt after its prefill; logits of shape (vocabulary,) for the first token of the answer."""

    row: Row
    chain: Sequence[Block]
    logits: torch.Tensor
    position: int


class _Batch:
    """Answers in progress: places 0 to n hold them without a gap, in this order in every tensor.

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
        place = len(self.rows)
        own = arrival.chain[shared:]
        self._lengths.append(sum(block.layers[0][0].shape[2] for block in own))
        if not self._keys:
            for keys, _ in arrival.chain[0].layers:
                shape = (self._slots, keys.shape[1], 0, keys.shape[3])
                self._keys.append(torch.zeros(shape, dtype=keys.dtype, device=keys.device))
                self._values.append(torch.zeros(shape, dtype=keys.dtype, device=keys.device))
        self._fit_width()
        start = 0
        for block in own:
            stop = start + block.layers[0][0].shape[2]
            for layer, (keys, values) in enumerate(block.layers):
                self._keys[layer][place, :, start:stop] = keys[0]
                self._values[layer][place, :, start:stop] = values[0]
            start = stop
        self.rows.append(arrival.row)
        self._positions.append(arrival.position)
        first = arrival.logits[None]
        self.logits = first if place == 0 else torch.cat([self.logits, first])

    def leave(self, place: int) -> None:
        """Let a row go; the last one takes its place."""
        last = len(self.rows) - 1
        if place != last:
            for tensor in (*self._keys, *self._values):
                tensor[place] = tensor[last]
            self.logits[place] = self.logits[last]
        self.rows[place], self._lengths[place], self._positions[place] = (
            self.rows[last], self._lengths[last], self._positions[last],
        )  # fmt: skip
        for entries in (self.rows, self._lengths, self._positions):
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
        self.logits = model(input_ids=ids, position_ids=positions, use_cache=False, logits_to_keep=n, pack=pack).logits[
            0
        ]
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
        out, log_sum = matmul_attention(
            query.transpose(0, 1).unsqueeze(2),
            keys[:n],
            values[:n],
            scaling=scaling,
            mask=self._mask,
        )
        return out.squeeze(2).transpose(0, 1).contiguous(), log_sum.squeeze(2).transpose(0, 1).contiguous()


def _last_position(node: Node) -> Sequence[int]:
    return [node.stop - 1] if node.rows else []
