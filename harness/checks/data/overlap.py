"""Runs of words that two collections of texts share, found by hashes of word windows.

A window is hashed as a polynomial over random 64-bit words, modulo 2^64; every hit is then compared word by word, so a
collision costs time and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BASE = 0x9E3779B97F4A7C15  # odd, so that multiplication modulo 2^64 loses nothing


@dataclass(frozen=True)
class Run:
    """Words that stand in both texts, at `left_start` and `right_start`."""

    left: int
    right: int
    left_start: int
    right_start: int
    length: int


class Windows:
    """Texts as words, laid end to end, with the hashes of their windows.

    Args:
        texts: each as its words.
        vocabulary: word -> number; new words are added. Two collections are compared under one vocabulary.
    """

    def __init__(self, texts: Sequence[Sequence[str]], vocabulary: dict[str, int]) -> None:
        import numpy as np

        self.texts = texts
        lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
        self.starts: NDArray[np.int64] = np.concatenate(([0], np.cumsum(lengths)))
        flat = (vocabulary.setdefault(word, len(vocabulary)) for text in texts for word in text)
        self.words: NDArray[np.int64] = np.fromiter(flat, dtype=np.int64, count=int(self.starts[-1]))

    @cached_property
    def text_of(self) -> NDArray[np.int64]:
        """The text that each word belongs to."""
        import numpy as np

        return np.repeat(np.arange(len(self.texts)), np.diff(self.starts))

    def hashes(self, size: int, keys: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Hash and first word of each window of `size` words that lies within one text."""
        import numpy as np

        count = max(0, len(self.words) - size + 1)
        firsts = np.arange(count)
        inside = self.text_of[:count] == self.text_of[size - 1 : size - 1 + count]
        keyed = keys[self.words]
        hashed = np.zeros(count, dtype=np.uint64)
        for offset in range(size):
            hashed = hashed * np.uint64(_BASE) + keyed[offset : offset + count]
        return hashed[inside], firsts[inside]


def word_keys(vocabulary: Mapping[str, int]) -> NDArray[np.uint64]:
    """A random 64-bit number for each word, the same ones every time."""
    import numpy as np

    return np.random.default_rng(0).integers(0, 2**64 - 1, size=len(vocabulary), dtype=np.uint64, endpoint=True)


def shared_runs(left: Windows, right: Windows, size: int, keys: NDArray[np.uint64], wanted: Any) -> list[Run]:
    """The longest run of each pair of texts that share a window of `size` words.

    Args:
        wanted: boolean mask over the right texts' words: first words of windows to look for.
    """
    import numpy as np

    right_hashes, right_firsts = right.hashes(size, keys)
    chosen = wanted[right_firsts]
    right_hashes, right_firsts = right_hashes[chosen], right_firsts[chosen]
    if not len(right_hashes):
        return []
    order = np.argsort(right_hashes, kind="stable")
    right_hashes, right_firsts = right_hashes[order], right_firsts[order]
    left_hashes, left_firsts = left.hashes(size, keys)
    low = np.searchsorted(right_hashes, left_hashes, side="left")
    high = np.searchsorted(right_hashes, left_hashes, side="right")
    best: dict[tuple[int, int], Run] = {}
    seen_until: dict[tuple[int, int, int], int] = {}
    for hit in np.flatnonzero(high > low):
        first = int(left_firsts[hit])
        text = int(left.text_of[first])
        start = first - int(left.starts[text])
        for other_first in right_firsts[low[hit] : high[hit]]:
            other = int(right.text_of[other_first])
            other_start = int(other_first) - int(right.starts[other])
            diagonal = (text, other, start - other_start)
            if start < seen_until.get(diagonal, 0):
                continue
            run = _extend(left.texts[text], right.texts[other], text, other, start, other_start)
            seen_until[diagonal] = run.left_start + run.length
            known = best.get((text, other))
            if run.length >= size and (known is None or run.length > known.length):
                best[text, other] = run
    return list(best.values())


def _extend(a: Sequence[str], b: Sequence[str], left: int, right: int, i: int, j: int) -> Run:
    """The longest run of equal words through the words i and j, in both directions."""
    back = 0
    while back < min(i, j) and a[i - back - 1] == b[j - back - 1]:
        back += 1
    on = 0
    while i + on < len(a) and j + on < len(b) and a[i + on] == b[j + on]:
        on += 1
    # a collision: nothing is equal at i and j themselves
    length = back + on if on else 0
    return Run(left, right, i - back, j - back, length)
