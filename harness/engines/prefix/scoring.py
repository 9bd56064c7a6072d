"""Log-likelihoods over a prefix tree: shared contexts once, all one-token choices from one position."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.engines.prefix.computing import Computed, Forward
from harness.engines.prefix.tree import Chunk, ChunkedTree, Node
from harness.engines.requests import Score
from harness.engines.strategy import TokenPair


@dataclass(frozen=True)
class _Target:
    """Ask: how likely is `token` after the sequence's position, for pair `pair`?"""

    pair: int
    token: int


class ScoringPlan(ChunkedTree):
    """Chunks of many (context, continuation) pairs.

    The last token of a pair predicts nothing that is asked for, so it is not computed; pairs that then
    are equal, such as the four letters of a multiple-choice question, are one sequence.
    """

    def __init__(self, pairs: Sequence[TokenPair], *, max_tokens: int, max_rows: int, least_saved: int = 0) -> None:
        sequences = ((*context, *tail)[:-1] for context, tail in pairs)
        first = [len(context) - 1 for context, _ in pairs]
        super().__init__(sequences, first, max_tokens=max_tokens, max_rows=max_rows, least_saved=least_saved)
        self.pairs = pairs

    def run(self, model: Any, forward: Forward[Any], chunk: Chunk) -> Iterator[tuple[int, Score]]:
        """Score a chunk's pairs, yielding (number of the pair, score)."""
        started = time.perf_counter()
        targets = self._targets(chunk)
        numbers = self.numbers_of(chunk)
        logprobs = dict.fromkeys(numbers, 0.0)
        greedy = dict.fromkeys(numbers, True)
        for computed in forward.run(model, chunk, lambda node: list(targets[node])):
            for pair, logprob, is_greedy in _read_off(computed, targets[computed.node]):
                logprobs[pair] += logprob
                greedy[pair] &= is_greedy
        elapsed = time.perf_counter() - started
        for number in numbers:
            context, tail = self.pairs[number]
            yield number, Score(logprobs[number], greedy[number], len(context), len(tail), elapsed)

    def _targets(self, chunk: Chunk) -> dict[Node, dict[int, list[_Target]]]:
        """Node -> position -> what is asked there."""
        targets: dict[Node, dict[int, list[_Target]]] = {}

        def descend(node: Node, above: list[Node]) -> None:
            targets[node] = {}
            line = [*above, node]
            for row in node.rows:
                for pair in self.row_numbers[row]:
                    context, tail = self.pairs[pair]
                    for offset, token in enumerate(tail):
                        position = len(context) - 1 + offset
                        home = next(n for n in line if n.start <= position < n.stop)
                        targets[home].setdefault(position, []).append(_Target(pair, token))
            for child in node.children:
                descend(child, line)

        for root in chunk.nodes:
            descend(root, [])
        return targets


def _read_off(computed: Computed[Any], targets: dict[int, list[_Target]]) -> Iterator[tuple[int, float, bool]]:
    import torch

    if not targets:
        return
    log_probs = torch.log_softmax(computed.logits.float(), dim=-1)
    asked = [(row, target) for row, group in enumerate(targets.values()) for target in group]
    rows = torch.tensor([row for row, _ in asked], device=log_probs.device)
    tokens = torch.tensor([target.token for _, target in asked], device=log_probs.device)
    likely = log_probs.argmax(dim=-1)[rows] == tokens
    values = log_probs[rows, tokens]
    yield from zip((target.pair for _, target in asked), values.tolist(), likely.tolist(), strict=True)
