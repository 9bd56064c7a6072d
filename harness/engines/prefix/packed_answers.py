"""Answers in progress over shared key-value blocks: one attention of all rows to what they share, one a row to its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.engines.decoding import Row
from harness.engines.prefix.attention import Block, Pack, Read, matmul_attention, prefix_attention
from harness.engines.prefix.computing import Arrival
from harness.engines.prefix.packed_forward import Chain

if TYPE_CHECKING:
    import torch

# Copying all keys and values once in so many steps costs nothing to speak of, and so few padded columns cost little.
_WIDTH_STEP_TOKENS = 64


class PackedAnswers:
    """See `harness.engines.prefix.computing.Answers`.

    Args:
        shared: so many blocks of every chain, the first ones, are read by all rows; the others are a row's own.
    """

    def __init__(self, slots: int, shared: int) -> None:
        self.rows: list[Row] = []
        self.logits: torch.Tensor = None  # type: ignore[assignment] # there are none before the first row enters
        self._slots = slots
        self._shared = shared
        self._keys: list[torch.Tensor] = []
        self._values: list[torch.Tensor] = []
        self._lengths: list[int] = []
        self._positions: list[int] = []
        self._path: Sequence[Block] = ()

    def enter(self, arrivals: Sequence[Arrival[Chain]]) -> None:
        """See `Answers`."""
        for arrival in arrivals:
            self._enter(arrival)

    def _enter(self, arrival: Arrival[Chain]) -> None:
        import torch

        self._path = arrival.kept[: self._shared]
        slot = len(self.rows)
        own = arrival.kept[self._shared :]
        self._lengths.append(sum(block.layers[0][0].shape[2] for block in own))
        if not self._keys:
            for pair in arrival.kept[0].layers:
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

    def leave(self, slots: Sequence[int]) -> None:
        """See `Answers`."""
        for slot in reversed(slots):
            self._leave(slot)

    def _leave(self, slot: int) -> None:
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
        """See `Answers`."""
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
