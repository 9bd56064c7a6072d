"""Which token sequences share which beginnings: a compressed trie, cut into chunks of work.

A shared beginning becomes a node only where computing it once saves enough. A node that saves much is
*heavy*: it is computed alone, kept while the sequences below it are computed chunk by chunk, and never
holds a position whose logits are wanted, so that every request belongs to one chunk. Both are decided
from all sequences together, so that a resumed run computes each chunk exactly as an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

# Below this a shared beginning costs more in small forwards than it saves.
_MIN_SHARED_TOKENS = 8
_HEAVY_SAVED_TOKENS = 1024


@dataclass(eq=False)
class Node:
    """A piece of one or more sequences.

    Attributes:
        start: position of the first of `tokens` in the sequences.
        rows: sequences that end with this piece.
        n_rows: sequences that run through it.
    """

    tokens: Sequence[int]
    start: int
    n_rows: int
    heavy: bool = False
    rows: list[int] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)

    @property
    def stop(self) -> int:
        """Position after the last token."""
        return self.start + len(self.tokens)

    def walk(self) -> Iterator[Node]:
        """This node and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def size(self) -> int:
        """Tokens of this node and all below it: what computing the subtree costs."""
        return sum(len(node.tokens) for node in self.walk())


@dataclass(frozen=True)
class Chunk:
    """What is computed together: light subtrees below a path of heavy nodes, outermost first."""

    path: tuple[Node, ...]
    nodes: tuple[Node, ...]

    @property
    def rows(self) -> list[int]:
        """The sequences that end in this chunk."""
        return [row for root in self.nodes for node in root.walk() for row in node.rows]


class ChunkedTree:
    """Sequences as chunks of their tree; equal ones, in order of first appearance, are one row of it.

    Attributes:
        row_numbers: of each row, the numbers of the sequences that are equal to it.

    Args:
        first_wanted: for each sequence, the first position whose logits are wanted.
        max_tokens: of a chunk, and `max_rows`, where a single subtree is not larger itself.
        least_saved: tokens that a node must save to be one.
    """

    def __init__(
        self,
        sequences: Iterable[Sequence[int]],
        first_wanted: Sequence[int],
        *,
        max_tokens: int,
        max_rows: int,
        least_saved: int = 0,
    ) -> None:
        numbers: dict[tuple[int, ...], list[int]] = {}
        for number, sequence in enumerate(sequences):
            numbers.setdefault(tuple(sequence), []).append(number)
        self.row_numbers = list(numbers.values())
        first = [min(first_wanted[number] for number in equal) for equal in self.row_numbers]
        self.chunks = list(_chunks(_build_tree(list(numbers), first, least_saved), (), max_tokens, max_rows))

    def numbers_of(self, chunk: Chunk) -> list[int]:
        """The sequences of a chunk."""
        return [number for row in chunk.rows for number in self.row_numbers[row]]


def _build_tree(sequences: Sequence[Sequence[int]], first_wanted: Sequence[int], least_saved: int) -> list[Node]:
    """The trie of the sequences, as its roots.

    Args:
        sequences: token ids; no two equal, none empty.
        first_wanted: for each, the first position whose logits are wanted; heavy nodes end before it.
    """
    if not sequences:
        return []
    order = sorted(range(len(sequences)), key=lambda i: tuple(sequences[i]))
    ordered = [sequences[i] for i in order]
    common = [_common_length(a, b) for a, b in pairwise(ordered)]
    return _Builder(ordered, order, common, [first_wanted[i] for i in order], least_saved).nodes(0, len(order), 0)


@dataclass(frozen=True)
class _Builder:
    """Sequences in lexicographic order; `common[i]` is how much number i shares with its successor."""

    sequences: Sequence[Sequence[int]]
    names: Sequence[int]
    common: Sequence[int]
    first_wanted: Sequence[int]
    least_saved: int

    def nodes(self, low: int, high: int, depth: int) -> list[Node]:
        """Nodes for the sequences low..high, which agree up to `depth`."""
        if high - low == 1:
            return [Node(self.sequences[low][depth:], depth, 1, rows=[self.names[low]])]
        shared = min(self.common[low : high - 1])
        saved = (shared - depth) * (high - low - 1)
        heavy = saved >= _HEAVY_SAVED_TOKENS
        end = min(shared, *self.first_wanted[low:high]) if heavy else shared
        if end - depth < _MIN_SHARED_TOKENS or (end - depth) * (high - low - 1) < self.least_saved:
            return self._split(low, high, shared, depth)
        node = Node(self.sequences[low][depth:end], depth, high - low, heavy)
        if len(self.sequences[low]) == end:  # the shortest sorts first; it is unique, so it is the only one
            node.rows.append(self.names[low])
            low += 1
        node.children = self.nodes(low, high, end) if heavy else self._split(low, high, shared, end)
        return [node]

    def _split(self, low: int, high: int, shared: int, depth: int) -> list[Node]:
        """One part for each way of going on after `shared`; each part's nodes begin at `depth`."""
        found: list[Node] = []
        begin = low
        for i in range(low, high):
            if i == high - 1 or self.common[i] <= shared:
                found += self.nodes(begin, i + 1, depth)
                begin = i + 1
        return found


def _chunks(nodes: Sequence[Node], path: tuple[Node, ...], max_tokens: int, max_rows: int) -> Iterator[Chunk]:
    waiting: list[Node] = []
    tokens = rows = 0
    for node in nodes:
        if node.heavy:
            yield from _chunks(node.children, (*path, node), max_tokens, max_rows)
            continue
        size = node.size
        if waiting and (tokens + size > max_tokens or rows + node.n_rows > max_rows):
            yield Chunk(path, tuple(waiting))
            waiting, tokens, rows = [], 0, 0
        waiting.append(node)
        tokens, rows = tokens + size, rows + node.n_rows
    if waiting:
        yield Chunk(path, tuple(waiting))


def _common_length(a: Sequence[int], b: Sequence[int]) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
