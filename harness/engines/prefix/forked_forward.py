"""Forwards that continue copies of the model's own cache: whatever it keeps of a prefix, every row gets its own.

Nothing that is continued is ever padded, and what is padded, on the right, is continued by nothing: so windows, recurrent
states and biases by position find what they would find in a text computed alone. No mask is needed, as what comes later is
not seen by what came before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.engines.caches import ModelCache, handed_out
from harness.engines.prefix.computing import Computed, Wanted
from harness.engines.prefix.tree import Chunk, Node

if TYPE_CHECKING:
    import torch

# Vocabulary-sized logits alive at once, as in packs.
_LOGITS = 512
# Padding that costs no more than one more small forward, and a share that is little beside what is computed.
_LEAST_PADDING_TOKENS = 64
_PADDING_SHARE = 0.1


@dataclass(frozen=True)
class CacheRow:
    """A row of a cache: what is kept of one sequence. Row 0 of an empty one stands before all text."""

    cache: ModelCache = field(default_factory=ModelCache)
    row: int = 0


@dataclass(frozen=True)
class _Member:
    """A node and the row that it continues."""

    node: Node
    before: CacheRow

    @property
    def length(self) -> int:
        return len(self.node.tokens)


class ForkedForward:
    """See `harness.engines.prefix.computing.Forward`.

    Args:
        forward_tokens: of one forward, padding included.
        cache_tokens: in all caches that are kept or continued, at the most; one row is always computed.
        leaf_tokens: likewise, in caches of a chunk's leaves that are kept.
    """

    def __init__(self, device: torch.device, *, forward_tokens: int, cache_tokens: int, leaf_tokens: int) -> None:
        self._device = device
        self._forward_tokens = forward_tokens
        self._cache_tokens = cache_tokens
        self._leaf_tokens = leaf_tokens
        self._path: dict[Node, CacheRow] = {}

    def run(
        self, model: Any, chunk: Chunk, wanted: Wanted, *, keep_leaves: bool = False
    ) -> Iterator[Computed[CacheRow]]:
        """See `Forward`."""
        self._path = {node: kept for node, kept in self._path.items() if node in chunk.path}
        before = CacheRow()
        for node in chunk.path:
            if node not in self._path:
                _, cache = self._forward(model, [_Member(node, before)], [], keep=True)
                self._path[node] = CacheRow(cache)
            before = self._path[node]
        held = sum(node.stop for node in chunk.path)
        yield from self._below(model, [_Member(node, before) for node in chunk.nodes], wanted, keep_leaves, held)

    def _below(
        self, model: Any, members: Sequence[_Member], wanted: Wanted, keep_leaves: bool, held: int
    ) -> Iterator[Computed[CacheRow]]:
        """Nodes that continue rows of one cache; the children of some before the next, so that few caches live at once.

        Args:
            held: tokens in the caches above.
        """
        continued = [member for member in members if keep_leaves or member.node.children]
        for batch in self._of_one_length(continued, (self._leaf_tokens if keep_leaves else self._cache_tokens) - held):
            yield from self._computed(model, batch, wanted, keep_leaves, held)
        leaves = [member for member in members if not (keep_leaves or member.node.children)]
        for batch in self._of_like_length(leaves, wanted, held):
            yield from self._computed(model, batch, wanted, keep_leaves, held)

    def _computed(
        self, model: Any, batch: Sequence[_Member], wanted: Wanted, keep_leaves: bool, held: int
    ) -> Iterator[Computed[CacheRow]]:
        offsets = [[position - member.node.start for position in wanted(member.node)] for member in batch]
        columns = sorted({offset for some in offsets for offset in some})
        keep = keep_leaves or bool(batch[0].node.children)
        logits, cache = self._forward(model, batch, columns, keep=keep)
        children = []
        for row, (member, some) in enumerate(zip(batch, offsets, strict=True)):
            kept = CacheRow(cache, row) if keep else CacheRow()
            children += [_Member(child, kept) for child in member.node.children]
            yield Computed(member.node, logits[row, [columns.index(offset) for offset in some]], kept)
        del logits
        if children:
            yield from self._below(
                model, children, wanted, keep_leaves, held + sum(member.node.stop for member in batch)
            )

    def _forward(
        self, model: Any, batch: Sequence[_Member], columns: Sequence[int], *, keep: bool
    ) -> tuple[torch.Tensor, ModelCache]:
        """Logits of shape (rows, columns, vocabulary) and, to keep, the cache of these rows.

        Args:
            columns: those of the widest row that are wanted of any.
        """
        import torch

        width, start = max(member.length for member in batch), batch[0].node.start
        before = batch[0].before.cache.forked(
            torch.tensor([member.before.row for member in batch], device=self._device)
        )
        ids = [[*member.node.tokens, *[member.node.tokens[-1]] * (width - member.length)] for member in batch]
        output = model(
            input_ids=torch.tensor(ids, device=self._device),
            position_ids=torch.arange(start, start + width, device=self._device).expand(len(batch), -1),
            use_cache=keep or before.content is not None,
            # from the end: virtual tokens may come before; an empty selection would select all
            logits_to_keep=torch.tensor([column - width for column in columns or [0]], device=self._device),
            **before.as_arguments(),
        )
        logits = output.logits if output.logits.shape[1] == len(columns) else output.logits[:, columns]
        return logits, handed_out(output) if keep else ModelCache()

    def _of_one_length(self, members: Sequence[_Member], room: int) -> Iterator[list[_Member]]:
        """Batches without padding.

        Args:
            room: tokens for caches.
        """
        lengths: dict[int, list[_Member]] = {}
        for member in members:
            lengths.setdefault(member.length, []).append(member)
        for length, those in lengths.items():
            # forked, and kept while their children are computed
            fitting = min(self._forward_tokens // length, room // (2 * those[0].node.stop))
            size = max(1, fitting)
            yield from (those[start : start + size] for start in range(0, len(those), size))

    def _of_like_length(self, members: Sequence[_Member], wanted: Wanted, held: int) -> Iterator[list[_Member]]:
        """Batches with little padding, longest first."""
        batch: list[_Member] = []
        columns: set[int] = set()
        padding = 0
        for member in sorted(members, key=lambda member: -member.length):
            width, rows = (batch[0].length if batch else member.length), len(batch) + 1
            more, added = padding + width - member.length, columns.union(wanted(member.node))
            if batch and (
                rows * width > self._forward_tokens
                or rows * (member.node.start + width) > self._cache_tokens - held
                or rows * len(added) > _LOGITS
                or more > max(_LEAST_PADDING_TOKENS, _PADDING_SHARE * rows * width)
            ):
                yield batch
                batch, columns, padding, more = [], set(), 0, 0
                added = set(wanted(member.node))
            batch.append(member)
            columns, padding = added, more
        if batch:
            yield batch
