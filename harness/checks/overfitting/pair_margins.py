"""Pairs of a better and a worse answer, with how far the better one is ahead by some score of a model."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.checks.data.personal import excerpt
from harness.stats import Interval, wilson

LEAST_OF_LENGTH = 10
"""Pairs whose better answer is the longer one, and others, below which nothing is said of length."""

_NAMED_PAIRS = 10
_SHOWN_CHARACTERS = 100


@dataclass(frozen=True, eq=False)
class PairMargins:
    """All sequences have one entry a pair.

    Attributes:
        margins: by how much the better answer is ahead; shape (n,).
        clusters: pairs of one prompt share one.
    """

    names: tuple[str, ...]
    better: tuple[str, ...]
    worse: tuple[str, ...]
    margins: NDArray[np.float64]
    clusters: tuple[Hashable, ...] | None

    @property
    def n_clusters(self) -> int:
        """Prompts."""
        return len(self.names) if self.clusters is None else len(set(self.clusters))

    @property
    def shorter(self) -> NDArray[np.bool_]:
        """Whether the better answer has fewer characters; shape (n,)."""
        return np.array([len(better) < len(worse) for better, worse in zip(self.better, self.worse, strict=True)])

    def accuracy(self, confidence: float) -> Interval:
        """Share of pairs whose better answer is ahead; a tie is none.

        Raises:
            ValueError: there are none.
        """
        return wilson((self.margins > 0).astype(float), clusters=self.clusters, confidence=confidence)

    def where(self, which: NDArray[np.bool_]) -> PairMargins:
        """Some of them."""
        places = np.flatnonzero(which)
        names, better, worse = (tuple(one[i] for i in places) for one in (self.names, self.better, self.worse))
        clusters = None if self.clusters is None else tuple(self.clusters[i] for i in places)
        return PairMargins(names, better, worse, self.margins[places], clusters)

    def details(self) -> Mapping[str, Any]:
        """Accuracy by which answer is longer, and the pairs that are farthest from right."""
        first = np.argsort(self.margins, kind="stable")[:_NAMED_PAIRS]
        kinds = {"better answer is shorter": self.shorter, "better answer is not shorter": ~self.shorter}
        return {
            "n": len(self.names),
            "accuracy": float((self.margins > 0).mean()),
            "by_length": {
                name: {"n": int(which.sum()), "accuracy": float((self.margins[which] > 0).mean())}
                for name, which in kinds.items()
                if which.any()
            },
            "worst_pairs": [
                {
                    "pair": self.names[i],
                    "better": excerpt(self.better[i], _SHOWN_CHARACTERS),
                    "worse": excerpt(self.worse[i], _SHOWN_CHARACTERS),
                    "ahead by": float(self.margins[i]),
                }
                for i in first
            ],
        }


def percent(share: float) -> str:
    """A share in a sentence."""
    return f"{100 * share:.1f}%"


def points(share: float) -> str:
    """A difference of shares in a sentence."""
    return f"{100 * share:.1f} points"
