"""How many training rows does the candidate know by heart? Each row counts, where a mean over some would hide a few.

What shows that a row was remembered is that its answer could not be known otherwise. So rows count whose answers have words of
their own: such as stand neither in their prompt nor, in that order, in any other training answer. A tool call that its prompt
determines, a label, a refusal in set words has none. Of the others a candidate that learnt their kind gives next to none word
for word, and held-out rows show how many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.checks.data import Corpus
from harness.checks.data.corpus import TRAIN
from harness.checks.data.personal import excerpt
from harness.checks.overfitting.memorising import MEMORISED, TRAINING_ROWS, VERBATIM_RECALL, head_of, points
from harness.checks.overfitting.sampling import NEEDS_ROWS
from harness.gates import BoundRule, Comparison, Measurement
from harness.gates.wording import between
from harness.metrics.words import shingles, words
from harness.stats import Interval, beyond_chance, clopper_pearson
from harness.stats.mean import independent_difference

_WORDS_IN_A_RUN = 3
_LEAST_RUNS = 4
"""Of their own that an answer must have, and half of all: fewer may be guessed."""
_NAMED_ROWS, _SHOWN_CHARACTERS = 10, 100


@dataclass(frozen=True)
class _Counted:
    """Rows whose answers have words of their own, and which of them are given word for word where the base does not.

    Attributes:
        rows: their places in the measurement.
    """

    measured: Measurement
    rows: Sequence[int]

    @property
    def known(self) -> list[int]:
        """Places of those known by heart."""
        base, candidate = np.asarray(self.measured.base), self.measured.candidate
        return [row for row in self.rows if candidate[row] and not base[row]]

    def share(self, confidence: float) -> Interval:
        """Share of those known by heart, by Clopper and Pearson."""
        return clopper_pearson(len(self.known), len(self.rows), confidence=confidence)


def known_by_heart(trained: Comparison, held_out: Comparison, corpus: Corpus, limit: float) -> BoundRule | None:
    """Share of training rows whose answers are given word for word by greedy decoding, beyond that of held-out rows.

    Where all rows were measured, what is not known is how many of them would be given without being remembered, which held-out
    rows bound by Fisher's exact test. Of a sample of them the share may also be as large as Clopper and Pearson's bound says.

    None where too few rows were measured to find so small a share, and none of them is known by heart.
    """
    measured = [side.metric(VERBATIM_RECALL.name) for side in (trained, held_out)]
    own = _Own(corpus, measured)
    ours, others = (_Counted(one, own.rows(one, trained=place == 0)) for place, one in enumerate(measured))
    is_whole = len(trained.pairs) >= len(corpus.of(TRAIN))

    def share(confidence: float) -> Interval:
        if is_whole:
            return beyond_chance(
                len(ours.known), len(ours.rows), len(others.known), len(others.rows), confidence=confidence
            )
        return independent_difference(ours.share(confidence), others.share(confidence))

    if not ours.rows or (not ours.known and not is_whole and ours.share(0.95).high > limit):
        return None
    counted = f"{len(ours.known)} of {len(ours.rows)} training rows and {len(others.known)} of {len(others.rows)} held-out ones"
    bound = "" if is_whole else f", so of all training rows at most {points(ours.share(0.95).high)}"
    return BoundRule(
        "known_by_heart",
        "at_most",
        limit,
        measure=share,
        level=lambda excess: f"training rows known by heart, beyond held-out ones: {between(excess, points)}",
        bound=points,
        task=TRAINING_ROWS,
        independent=len(ours.rows),
        candidate=len(ours.known) / len(ours.rows),
        needs=f"hold out more rows; {NEEDS_ROWS}",
        remedy=MEMORISED,
        notes=(f"{counted} are given word for word{bound}",),
        details={
            "training": {"rows": len(ours.rows), "known": len(ours.known), "all": is_whole},
            "held_out": {"rows": len(others.rows), "known": len(others.known)},
            "known_rows": _named(ours),
        },
    )


def _named(counted: _Counted) -> list[dict[str, Any]]:
    measured = counted.measured
    return [
        {"row": measured.item_ids[row], "answer": excerpt(str(measured.targets[row]), _SHOWN_CHARACTERS)}
        for row in counted.known[:_NAMED_ROWS]
    ]


class _Own:
    """Which answers have words of their own, held against those of all training rows.

    Args:
        measured: what is asked about; runs of other answers are not counted, of which there may be millions.
    """

    def __init__(self, corpus: Corpus, measured: Iterable[Measurement]) -> None:
        looked_for = {run for one in measured for pair in _answers(one) for run in _runs(*pair)}
        self._counts: Counter[str] = Counter()
        seen = set()
        for row in corpus.of(TRAIN):
            pair = "\n".join(turn.content for turn in row.prompt), head_of(row.taught)
            if pair not in seen:  # a row that is there twice is no other row
                seen.add(pair)
                self._counts.update(_runs(*pair) & looked_for)

    def rows(self, measured: Measurement, *, trained: bool) -> list[int]:
        """Places of the rows whose answers have words of their own; of equal rows the first."""
        places: dict[tuple[str, str], int] = {}
        for place, pair in enumerate(_answers(measured)):
            runs = _runs(*pair)
            own = sum(self._counts[run] <= trained for run in runs)
            if own >= _LEAST_RUNS and 2 * own >= len(runs):
                places.setdefault(pair, place)
        return list(places.values())


def _answers(measured: Measurement) -> Iterable[tuple[str, str]]:
    """Prompt and answer of each row."""
    return zip(measured.prompts, map(str, measured.targets), strict=True)


def _runs(prompt: str, answer: str) -> set[str]:
    """The runs of words of an answer, but for words of its prompt."""
    asked = set(words(prompt))
    return shingles([word for word in words(answer) if word not in asked], _WORDS_IN_A_RUN)
