"""Answers in progress on one cache of the model's own: rows of several caches, joined with padding before them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from harness.engines.caches import ModelCache, Part, handed_out, joined
from harness.engines.decoding import Row
from harness.engines.prefix.computing import Arrival
from harness.engines.prefix.forked_forward import CacheRow

if TYPE_CHECKING:
    import torch


class ForkedAnswers:
    """See `harness.engines.prefix.computing.Answers`.

    Args:
        virtual_tokens: that an adapter has before every text.
    """

    def __init__(self, device: torch.device, *, virtual_tokens: int) -> None:
        self.rows: list[Row] = []
        self.logits: torch.Tensor = None  # type: ignore[assignment] # there are none before the first row enters
        self._device = device
        self._virtual_tokens = virtual_tokens
        self._cache = ModelCache()
        self._in_cache: list[int] = []  # which row of the cache is each answer's
        self._left = False  # rows that left are still in the cache: dropping them copies it, as does joining
        self._lengths: list[int] = []  # tokens of text in the cache
        self._columns = 0

    def enter(self, arrivals: Sequence[Arrival[CacheRow]]) -> None:
        """See `Answers`."""
        import torch

        parts = [Part(self._cache, self._tensor(self._in_cache), self._columns)] if self.rows else []
        order: list[Arrival[CacheRow]] = []
        for cache in {id(arrival.kept.cache): arrival.kept.cache for arrival in arrivals}.values():
            those = [arrival for arrival in arrivals if arrival.kept.cache is cache]
            parts.append(Part(cache, self._tensor(arrival.kept.row for arrival in those), those[0].position))
            order += those
        self.rows += [arrival.row for arrival in order]
        self._lengths += [arrival.position for arrival in order]
        first = torch.stack([arrival.logits for arrival in order])
        self.logits = first if len(order) == len(self.rows) else torch.cat([self.logits, first])
        self._columns = max(self._lengths)
        self._cache = joined(parts, self._columns, virtual_tokens=self._virtual_tokens, used_up=self._cache)
        self._in_cache, self._left = list(range(len(self.rows))), False

    def leave(self, slots: Sequence[int]) -> None:
        """See `Answers`."""
        staying = [slot for slot in range(len(self.rows)) if slot not in slots]
        self.logits = self.logits[self._tensor(staying)]
        self.rows = [self.rows[slot] for slot in staying]
        self._lengths = [self._lengths[slot] for slot in staying]
        self._in_cache = [self._in_cache[slot] for slot in staying]
        self._left = True

    def step(self, model: Any) -> None:
        """See `Answers`."""
        import torch

        if self._left:
            self._drop()
        lengths = self._tensor(self._lengths)[:, None]
        mask = {}
        if self._cache.has_columns:
            before = torch.arange(self._columns + 1, device=self._device)
            mask["attention_mask"] = (before >= self._columns - lengths).long()
        output = model(
            input_ids=self._tensor([[row.tokens[-1]] for row in self.rows]),
            position_ids=lengths,
            use_cache=True,
            logits_to_keep=1,
            **mask,
            **self._cache.as_arguments(),
        )
        self._cache, self.logits = handed_out(output), output.logits[:, -1]
        self._lengths = [length + 1 for length in self._lengths]
        self._columns += 1

    def _drop(self) -> None:
        """Take rows that left out of the cache, and columns that none but they had."""
        staying, columns = self._tensor(self._in_cache), max(self._lengths)
        if self._cache.has_columns and columns < self._columns:
            part = Part(self._cache, staying, self._columns)
            self._cache = joined([part], columns, virtual_tokens=self._virtual_tokens, used_up=self._cache)
            self._columns = columns
        else:
            self._cache.keep(staying)
        self._in_cache, self._left = list(range(len(self.rows))), False

    def _tensor(self, values: Iterable[Any]) -> torch.Tensor:
        import torch

        return torch.tensor(list(values), dtype=torch.long, device=self._device)
