"""Forwards over packs of tree nodes: every shared prefix is read where it lies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from harness.engines.prefix.attention import Block, Pack, Read, prefix_attention, segments, starts_of
from harness.engines.prefix.computing import Computed, Wanted
from harness.engines.prefix.tree import Chunk, Node

if TYPE_CHECKING:
    import torch

# Rows of vocabulary-sized logits alive at once: 512 x 150,000 floats are 300 MB.
_PACK_LOGITS = 512

Chain = tuple[Block, ...]
"""The blocks before a node, outermost first."""


class PackedForward:
    """See `harness.engines.prefix.computing.Forward`."""

    def __init__(self, device: torch.device, *, pack_tokens: int) -> None:
        self._device = device
        self._pack_tokens = pack_tokens
        self._path: dict[Node, Block] = {}

    def run(self, model: Any, chunk: Chunk, wanted: Wanted, *, keep_leaves: bool = False) -> Iterator[Computed[Chain]]:
        """See `Forward`."""
        chain = self._path_blocks(model, chunk.path)
        yield from self._below(model, [(node, chain) for node in chunk.nodes], wanted, keep_leaves)

    def _path_blocks(self, model: Any, path: Sequence[Node]) -> Chain:
        """The blocks of the heavy nodes above a chunk, each computed alone and once while chunks need it."""
        self._path = {node: block for node, block in self._path.items() if node in path}
        chain: Chain = ()
        for node in path:
            if node not in self._path:
                pack = self._forward(model, [(node, chain)], positions=[], keep=True)[1]
                self._path[node] = _block(pack, 0, len(node.tokens))
            chain = (*chain, self._path[node])
        return chain

    def _below(
        self, model: Any, nodes: Sequence[tuple[Node, Chain]], wanted: Wanted, keep_leaves: bool
    ) -> Iterator[Computed[Chain]]:
        """Pack by pack; the children of a pack before the next pack, so that few blocks live at once."""
        for members in self._packs(nodes, wanted):
            keep = keep_leaves or any(node.children for node, _ in members)
            starts = starts_of([len(node.tokens) for node, _ in members])
            positions = [
                [start + position - node.start for position in wanted(node)]
                for (node, _), start in zip(members, starts, strict=True)
            ]
            logits, pack = self._forward(model, members, [p for some in positions for p in some], keep=keep)
            children: list[tuple[Node, Chain]] = []
            done = 0
            for (node, chain), start, some in zip(members, starts, positions, strict=True):
                if keep_leaves or node.children:
                    chain = (*chain, _block(pack, start, start + len(node.tokens)))
                    children += [(child, chain) for child in node.children]
                else:
                    chain = ()
                yield Computed(node, logits[done : done + len(some)], chain)
                done += len(some)
            del logits, pack
            yield from self._below(model, children, wanted, keep_leaves)

    def _packs(self, nodes: Sequence[tuple[Node, Chain]], wanted: Wanted) -> Iterator[list[tuple[Node, Chain]]]:
        members: list[tuple[Node, Chain]] = []
        tokens = rows = 0
        for node, chain in nodes:
            more, more_rows = len(node.tokens), len(wanted(node))
            if members and (tokens + more > self._pack_tokens or rows + more_rows > _PACK_LOGITS):
                yield members
                members, tokens, rows = [], 0, 0
            members.append((node, chain))
            tokens, rows = tokens + more, rows + more_rows
        if members:
            yield members

    def _forward(
        self, model: Any, members: Sequence[tuple[Node, Chain]], positions: Sequence[int], *, keep: bool
    ) -> tuple[torch.Tensor, Pack]:
        import torch

        pack = Pack(segments([len(node.tokens) for node, _ in members], self._device), _reads(members), keep)
        inputs = {
            "input_ids": [[token for node, _ in members for token in node.tokens]],
            "position_ids": [[position for node, _ in members for position in range(node.start, node.stop)]],
            # An empty selection would select all: ask for one position and use none of it.
            "logits_to_keep": positions or [0],
        }
        tensors = {name: torch.tensor(values, device=self._device) for name, values in inputs.items()}
        with prefix_attention(model, pack):
            logits = model(**tensors, use_cache=False).logits[0]
        return logits[: len(positions)], pack


def _reads(members: Sequence[tuple[Node, Chain]]) -> list[Read]:
    """One read for each run of members that share a block."""
    reads: list[Read] = []
    start = 0
    for node, chain in members:
        stop = start + len(node.tokens)
        for block in chain:
            same = next((i for i, r in enumerate(reads) if r.block is block and r.stop == start), None)
            if same is None:
                reads.append(Read(start, stop, block))
            else:
                reads[same] = Read(reads[same].start, stop, block)
        start = stop
    return reads


def _block(pack: Pack, start: int, stop: int) -> Block:
    """The keys and values of some of a pack's tokens, copied so that the pack's own can be freed."""
    layers = (pack.kept[layer] for layer in sorted(pack.kept))
    return Block([(keys[:, :, start:stop].clone(), values[:, :, start:stop].clone()) for keys, values in layers])
