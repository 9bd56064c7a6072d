"""What is reviewed, in which order, and which of two answers is shown first: out of the run and a seed alone.

Order and sides are digests keyed by the stored samples, so the run tells them again when answers come back, and the page,
which holds neither the key nor a model's name, does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from harness.annotate.pairs import StoredPair, answer_pairs
from harness.digests import digest_file, digest_json
from harness.records import Sample
from harness.runs.run import SAMPLES, Run

_KEY_DIGITS = 12
_PAGE_DIGITS = 16


@dataclass(frozen=True)
class BlindPair:
    """Two answers under a name that says nothing.

    Attributes:
        key: the name of the pair in the page and in the answers.
        candidate_first: which of the two is answer 1.
    """

    key: str
    pair: StoredPair
    candidate_first: bool

    @property
    def sides(self) -> tuple[Sample, Sample]:
        """Answer 1 and answer 2."""
        pair = self.pair
        return (pair.candidate, pair.base) if self.candidate_first else (pair.base, pair.candidate)


@dataclass(frozen=True)
class Review:
    """One page to be filled in.

    Attributes:
        page: names the page; another run, seed or limit gives another.
        drawn: the pairs in their order, identical answers among them, which are not shown but count as ties.
        limit: as it was given.
    """

    page: str
    run: str
    task: str
    seed: int
    limit: int | None
    drawn: tuple[BlindPair, ...]

    @cached_property
    def shown(self) -> tuple[BlindPair, ...]:
        """The pairs that differ."""
        return tuple(blind for blind in self.drawn if not blind.pair.identical)

    @cached_property
    def by_key(self) -> Mapping[str, BlindPair]:
        """Those that are shown, by key."""
        return {blind.key: blind for blind in self.shown}


def make_review(run: Run, task: str, *, seed: int = 0, limit: int | None = None) -> Review:
    """Draw the pairs of a page; a smaller limit gives the beginning of a larger one's.

    Raises:
        RunError: the samples cannot be read, or no item was answered by both models.
    """
    secret = digest_json([run.id, digest_file(run.path / SAMPLES), task, seed])
    blind = sorted((_blind(pair, secret) for pair in answer_pairs(run, task)), key=lambda one: one.key)
    drawn = tuple(blind[:limit])
    page = digest_json(["page", secret, limit, [one.key for one in drawn]])[:_PAGE_DIGITS]
    return Review(page, run.id, task, seed, limit, drawn)


def _blind(pair: StoredPair, secret: str) -> BlindPair:
    place, side = (digest_json([secret, what, pair.id, pair.base.prompt_digest]) for what in ("place", "side"))
    return BlindPair(place[:_KEY_DIGITS], pair, candidate_first=int(side, 16) % 2 == 0)
