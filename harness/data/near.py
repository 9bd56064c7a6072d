"""Texts nearly alike, found by MinHash and locality-sensitive hashing, and then compared exactly.

Broder, "On the resemblance and containment of documents" (1997); candidates come from datasketch's `MinHashLSH`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.data.words import shingles, terms

_PERMUTATIONS = 128
_COMMON_SHARE = 0.05
_COMMON_LEAST = 10


@dataclass(frozen=True)
class Near:
    """A text nearly like another: its place among the indexed ones, and the Jaccard similarity of their shingles."""

    index: int
    similarity: float


class NearIndex:
    """Finds those of `texts` that are alike.

    Texts are compared by triples of their words and symbols. Triples that more than 5% of the texts have (and more
    than ten) are the template of the prompts and are left out; a text with no other triples is alike to none.

    Args:
        similarity: least Jaccard similarity, above 0 and at most 1.
    """

    def __init__(self, texts: Sequence[str], similarity: float) -> None:
        from datasketch import MinHashLSH

        self._similarity = similarity
        raw = [shingles(terms(text)) for text in texts]
        counted = Counter(shingle for each in raw for shingle in each)
        bound = max(_COMMON_LEAST, _COMMON_SHARE * len(texts))
        self._common = {shingle for shingle, count in counted.items() if count > bound}
        self._sets = [each - self._common for each in raw]
        self._lsh = MinHashLSH(threshold=similarity, num_perm=_PERMUTATIONS)
        self._hashes = _minhashes(self._sets)
        for number, minhash in enumerate(self._hashes):
            if self._sets[number]:
                self._lsh.insert(number, minhash)

    def nearest(self, texts: Sequence[str]) -> list[Near | None]:
        """For each of these texts the indexed one that is most like it."""
        sets = [shingles(terms(text)) - self._common for text in texts]
        everything = range(len(self._sets))
        return [self._best(of, minhash, everything) for of, minhash in zip(sets, _minhashes(sets), strict=True)]

    def nearest_before(self, number: int) -> Near | None:
        """The text before that indexed one that is most like it."""
        return self._best(self._sets[number], self._hashes[number], range(number))

    def _best(self, of: set[str], minhash: Any, among: range) -> Near | None:
        if not of:
            return None
        found = [
            Near(number, len(of & self._sets[number]) / len(of | self._sets[number]))
            for number in self._lsh.query(minhash)
            if number in among
        ]
        alike = [near for near in found if near.similarity >= self._similarity]
        return max(alike, key=lambda near: (near.similarity, -near.index), default=None)


def _minhashes(sets: Sequence[set[str]]) -> list[Any]:
    """A signature for each set; all under the same permutations, which are drawn once."""
    from datasketch import MinHash

    return list(MinHash.generator(([shingle.encode() for shingle in of] for of in sets), num_perm=_PERMUTATIONS))
