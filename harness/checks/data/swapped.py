"""Which preferences does the rest of the data contradict? A swapped pair, or a mark that is inverted, teaches the opposite.

By confident learning (Northcutt, Jiang & Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70,
arXiv 1911.00068): a model of the others is asked about each row, and a row is suspected where the model is as sure of the
opposite as it is of what rows prefer on average. That says something of the labels only where the model would be right about
nearly all of them. Held-out pairs tell that, or its errors: they come where it is unsure, while a swapped row comes anywhere. So
the share of rows that it contradicts among those it is surest of estimates how many are swapped, and leaves of its other errors
what is its own. `benchmarks/preference_data.py` counts swaps found, and false alarms.

What is swapped throughout is consistent in itself: held-out pairs that are not tell it, or a judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from harness.checks.data.corpus import TRAIN, VALIDATION, Corpus, Row
from harness.checks.data.finding import Finding, share_check
from harness.checks.data.preference_model import Preferences, read_marked, read_pairs
from harness.gates import Check

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.stats import Interval

_LEAST = 200
_MOST = 5000
_LEAST_HELD_OUT = 50
_ACCURACY = 0.88  # where text alone tells, 0.90 to 1.01 with up to a fifth swapped; by people's judgements 0.68 to 0.88
_HELD_OUT_ACCURACY, _SHOWN = 0.85, 0.75  # as estimated, and at least; of people's judgements it tells 0.65 to 0.75
_MOST_SWAPPED = 0.3
_TAUGHT_LESS = 0.2


@dataclass(frozen=True)
class LearntPreferences:
    """What a model of the text says of training preferences that it was not learnt from.

    Attributes:
        rows: those looked at: all, or so many drawn at random.
        odds: shape (rows,): the log-odds of what each prefers.
        held_out: the share of held-out pairs that a model of all of them tells; None where too few are held out.
    """

    rows: Sequence[Row]
    odds: NDArray[np.float64]
    held_out: Interval | None = None

    @property
    def agreement(self) -> float:
        """The share of the rows that the model tells as they are."""
        return float((self.odds > 0).mean())

    @cached_property
    def contradicted(self) -> float:
        """Share of the rows that the model contradicts among those it is surest of."""
        return self._among_surest(0.25)

    @property
    def accuracy(self) -> float:
        """The share of rows that the model would tell, were as many swapped as `contradicted` says; 0 where that means nothing.

        g = a (1 - s) + (1 - a) s for agreement g, accuracy a, and a share s of rows whose label is the opposite.
        """
        return (self.agreement - self.contradicted) / (1 - 2 * self.contradicted) if self.contradicted < 0.5 else 0.0

    @property
    def obstacle(self) -> str:
        """Why nothing can be said of single rows; empty where something can."""
        if len(self.rows) < _LEAST:
            return f"{len(self.rows)} preferences are too few to learn from what is preferred: {_LEAST} are needed"
        by_itself = self.accuracy >= _ACCURACY and self._most_swapped <= _MOST_SWAPPED
        held_out = self.held_out
        by_others = held_out is not None and held_out.value >= _HELD_OUT_ACCURACY and held_out.low >= _SHOWN
        if not by_itself and not by_others:
            return (
                f"a model of the text, learnt from the other rows, tells what {self.agreement:.0%} of {len(self.rows)} prefer: "
                "too few to know a swapped one from one that is hard to tell. A judge may (`judge:` in assay.yaml)"
            )
        return ""

    @property
    def suspects(self) -> list[int]:
        """Places of the rows that are contradicted as surely as rows are told on average, the surest first."""
        import numpy as np

        told = 1 / (1 + np.exp(-self.odds))
        found = np.flatnonzero((1 - told >= told.mean()) & (self.odds < 0))
        return [int(place) for place in found[np.argsort(self.odds[found], kind="stable")]]

    @cached_property
    def _most_swapped(self) -> float:
        from harness.stats import wilson

        return wilson(self._surest(0.5) < 0).high

    def _among_surest(self, share: float) -> float:
        return float((self._surest(share) < 0).mean())

    def _surest(self, share: float) -> NDArray[np.float64]:
        import numpy as np

        sure = np.abs(self.odds)
        found: NDArray[np.float64] = self.odds[sure >= np.quantile(sure, 1 - share)]
        return found


def learn_preferences(corpus: Corpus) -> LearntPreferences | None:
    """Ask a model of the text about each training preference, learnt from the others.

    Returns:
        None where there are no preferences.
    """
    import numpy as np

    from harness.stats import wilson

    preferences = _read(corpus, TRAIN)
    if preferences is None:
        return None
    if len(preferences.rows) < _LEAST:
        return LearntPreferences(preferences.rows, np.zeros(len(preferences.rows)))
    parted = _parted(corpus)
    held_out = None if parted is None else wilson(parted[0].told(parted[1]) > 0)
    return LearntPreferences(preferences.rows, preferences.cross_validated(), held_out)


def preferences_are_not_swapped(learnt: LearntPreferences, limit: float) -> Check:
    """At most a share `limit` of the preferences is contradicted, and surely, by a model of the text that is learnt from the
    others (confident learning). It is skipped where such a model tells too little of the data."""
    suspects, total = learnt.suspects, len(learnt.rows)
    return share_check(
        "swapped_pairs",
        [Finding(learnt.rows[place].location, "the other rows say the opposite") for place in suspects],
        total,
        limit,
        counted="preferences",
        fault="are contradicted by what the others teach",
        sound=f"a model of the other rows tells {learnt.agreement:.1%} of {total} preferences, and is sure that none is swapped",
        remedy="read these rows, and swap their two answers (or turn their mark) where they are the wrong way round; turn a file "
        "or batch back that was turned. Where they are right, allow more by `swapped_pairs` under `data:`",
        details={"agreement": learnt.agreement, "estimated_share_swapped": learnt.contradicted},
    )


def held_out_pairs_agree(corpus: Corpus) -> Check | None:
    """A model that is learnt from the training pairs' text does not see the held-out pairs the other way round, nor tell a fifth
    fewer of them than one that is learnt from other held-out pairs.

    Returns:
        None where too few pairs are held out, or trained on.
    """
    from harness.stats import paired_binary_difference, wilson

    parted = _parted(corpus)
    if parted is None:
        return None
    learnt, asked = parted
    taught, own = learnt.told(asked) > 0, asked.cross_validated() > 0
    agreement, lost = wilson(taught), paired_binary_difference(taught, own)
    opposite = agreement.high < 0.5
    said = (
        f"what {len(learnt.rows)} training pairs teach a model of the text tells {agreement.value:.1%} of {len(asked.rows)} "
        f"held-out pairs (between {agreement.low:.1%} and {agreement.high:.1%}); what other "
        f"held-out pairs teach it, {own.mean():.1%}"
    )
    return Check(
        "held_out_pairs",
        holds=not opposite and lost.low <= _TAUGHT_LESS,
        reason=said,
        remedy="see which of the two files has its answers swapped, or marks drawn at random, and turn it round"
        if opposite
        else "see that the training pairs are not swapped in part, and that both files are about the same",
        details={
            "agreement": agreement.value,
            "agreement_of_held_out_pairs": float(own.mean()),
            "looked_at": len(asked.rows),
        },
    )


def _parted(corpus: Corpus) -> tuple[Preferences, Preferences] | None:
    """Training pairs and held-out ones; None where there are too few of either."""
    import numpy as np

    train, held_out = (_drawn(corpus.pairs(role)) for role in (TRAIN, VALIDATION))
    if min(len(train), len(held_out)) < _LEAST_HELD_OUT:
        return None
    read = read_pairs([*train, *held_out])
    return read.part(np.arange(len(train))), read.part(np.arange(len(train), len(read.rows)))


def _read(corpus: Corpus, role: str) -> Preferences | None:
    """Pairs where there are some, else as many wanted as unwanted answers."""
    if pairs := corpus.pairs(role):
        return read_pairs(_drawn(pairs))
    kinds = [[row for row in corpus.asked(role) if row.wanted is kind] for kind in (True, False)]
    if fewest := min(map(len, kinds)):
        return read_marked([row for kind in kinds for row in _drawn(kind, min(fewest, _MOST // 2))])
    return None


def _drawn(rows: Sequence[Row], most: int = _MOST) -> list[Row]:
    """So many at most, in their order."""
    import random

    if len(rows) <= most:
        return list(rows)
    return [rows[place] for place in sorted(random.Random(0).sample(range(len(rows)), most))]
