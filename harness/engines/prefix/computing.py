"""What computes a tree's nodes and continues its answers, whichever way prefixes are shared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from harness.engines.decoding import Row
from harness.engines.prefix.tree import Chunk, Node

if TYPE_CHECKING:
    import torch

Kept = TypeVar("Kept")
"""What is kept of a sequence so far for what follows it to read: blocks of keys and values, or a row of a cache."""

Wanted = Callable[[Node], Sequence[int]]
"""Positions of a node's tokens (counted in the whole sequence) whose logits are wanted."""


@dataclass(frozen=True)
class Computed(Generic[Kept]):
    """A node after its forward.

    Attributes:
        logits: shape (wanted positions, vocabulary), in the order they were wanted.
        kept: of all tokens up to the node's end; empty where nothing reads them.
    """

    node: Node
    logits: torch.Tensor
    kept: Kept


@dataclass(frozen=True)
class Arrival(Generic[Kept]):
    """A prompt after its prefill; logits of shape (vocabulary,) for the first token of the answer."""

    row: Row
    kept: Kept
    logits: torch.Tensor
    position: int


class Forward(Protocol[Kept]):
    """Computes chunks for one model, keeping the heavy nodes on the way to the last chunk.

    One of these serves one setting of the adapter: what is kept must never cross from base to candidate.
    """

    def run(self, model: Any, chunk: Chunk, wanted: Wanted, *, keep_leaves: bool = False) -> Iterator[Computed[Kept]]:
        """Compute a chunk's nodes.

        Args:
            model: with the adapter set as this object's first call had it.
            keep_leaves: keep something of every node, not only of nodes with children.
        """
        ...


class Answers(Protocol[Kept]):
    """Answers in progress: slots 0 to n hold them without a gap, in this order in every tensor.

    Attributes:
        logits: shape (n, vocabulary), for the next token of each.
    """

    rows: list[Row]
    logits: torch.Tensor

    def enter(self, arrivals: Sequence[Arrival[Kept]]) -> None:
        """Take rows in, behind those that are there."""
        ...

    def leave(self, slots: Sequence[int]) -> None:
        """Let rows go; others take their slots."""
        ...

    def step(self, model: Any) -> None:
        """Feed every row its newest token; `logits` are then those of the token after it."""
        ...


@dataclass(frozen=True)
class Decoder(Generic[Kept]):
    """How a chunk's prompts are answered.

    Attributes:
        start: a batch without answers yet, for so many slots and a path of so many heavy nodes.
        shares_path: the tokens of that path are held once, not once a row.
        entering: share of the slots, and of the tokens that may be held, for prompts that enter together: where each entering
            copies all.
    """

    forward: Forward[Kept]
    start: Callable[[int, int], Answers[Kept]]
    shares_path: bool
    entering: float = 0.0
