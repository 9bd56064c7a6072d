"""Are labels right? Those that the rest of the data contradicts where it is sure teach the candidate to be wrong.

As of preferences (`swapped`), by confident learning (Northcutt, Jiang & Chuang 2021, JAIR 70, arXiv 1911.00068): a model of the
other texts is asked about each row. Its own errors come where it is unsure, a wrong label anywhere. So the share of rows that it
contradicts among those it is surest of estimates how many labels are wrong, and what is left of its other errors is its own:
where that is much, nothing is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.checks.data.corpus import TRAIN, Corpus, Row
from harness.checks.data.finding import KEPT, SHOWN, Finding, allowed
from harness.checks.data.labels import label_counts
from harness.checks.data.personal import redacted
from harness.checks.data.preference_model import grams, tf_idf
from harness.gates import Check

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LEAST, _MOST = 100, 5000
_ACCURACY = 0.88  # as the model of preferences must have
_MOST_WRONG = 0.35  # of more the others are no measure
_FOLDS = 5
_UNHEARD_OF = -50.0  # log-probability of a label that the other rows do not have
_STRENGTH = 1.0
_READ_CHARACTERS = 4000


@dataclass(frozen=True)
class _Read:
    """What a model of the other rows says of each label.

    Attributes:
        told: the label that it says of each.
        sure: shape (rows,): log-odds of that label over the next one, whatever the row's own is.
        contradicted: shape (rows,): whether the row's own is another.
        labels: how many there are.
    """

    rows: Sequence[Row]
    told: Sequence[str]
    sure: NDArray[np.float64]
    contradicted: NDArray[np.bool_]
    labels: int

    def surest(self, share: float) -> NDArray[np.bool_]:
        """Of the rows that the model is surest of, whether each is contradicted."""
        import numpy as np

        found: NDArray[np.bool_] = self.contradicted[self.sure >= np.quantile(self.sure, 1 - share)]
        return found

    @property
    def accuracy(self) -> float:
        """The share of rows that the model would tell, were as many labels wrong as it contradicts where it is surest; 0 where
        that is too many to say.

        g = a (1 - s) + (1 - a) s / (k - 1) for agreement g, accuracy a, a share s of wrong labels, and k labels.
        """
        wrong = float(self.surest(0.25).mean())
        by_chance = wrong / (self.labels - 1)
        if wrong > _MOST_WRONG:
            return 0.0
        return (float((~self.contradicted).mean()) - by_chance) / (1 - wrong - by_chance)

    def finding(self, place: int) -> Finding:
        """What is said of one row."""
        row, other = self.rows[place], redacted(self.told[place])
        return Finding(row.location, f"is {redacted(row.answer.strip())!r}, where rows like it are {other!r}")

    @property
    def suspects(self) -> list[int]:
        """Places of the rows that are contradicted, the surest first."""
        import numpy as np

        return [int(place) for place in np.argsort(-self.sure, kind="stable") if self.contradicted[place]]


def labels_agree(corpus: Corpus, limit: float) -> Check | None:
    """No more labels than `limit`, as a share, are other than rows of their kind have.

    Returns:
        None where the answers are no labels, or too few, or nothing in the texts tells them.
    """
    from harness.stats import wilson

    if sum(label_counts(corpus).values()) < _LEAST:
        return None
    read = _read(corpus.of(TRAIN))
    if read is None or read.accuracy < _ACCURACY:
        return None
    share = wilson(read.surest(0.5))
    suspects = [read.finding(place) for place in read.suspects[:KEPT]]
    shown = "; ".join(f"{one.location}: {one.problem}" for one in suspects[:SHOWN])
    return Check(
        "label_noise",
        holds=share.low <= limit,
        reason=f"{share.value:.1%} of labels ({share.low:.1%} to {share.high:.1%}) are other than those of rows like theirs, "
        f"{allowed(limit)}{': ' if suspects else ''}{shown}",
        remedy="read the rows named, the surest first; correct their labels or take the rows out, and find out who labelled them",
        details={
            "share": share.value,
            "low": share.low,
            "high": share.high,
            "allowed_share": limit,
            "findings": [one.row() for one in suspects],
        },
    )


def _read(rows: Sequence[Row]) -> _Read | None:
    """A model of the texts, each row asked of one that did not see it; None where no two texts share a word."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    drawn = np.random.default_rng(0).permutation(len(rows))[:_MOST]
    rows = [rows[place] for place in sorted(drawn)]
    words = tf_idf([row.question[-_READ_CHARACTERS:] for row in rows], grams)
    if words is None:
        return None
    labels = np.array([row.answer.strip() for row in rows])
    known = np.unique(labels)
    folds = np.random.default_rng(1).permutation(len(rows)) % _FOLDS
    odds = np.full((len(rows), len(known)), -np.inf)
    for fold in range(_FOLDS):
        inside, outside = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        if len(np.unique(labels[outside])) < 2:
            return None
        model = LogisticRegression(C=_STRENGTH, max_iter=300).fit(words[outside], labels[outside])
        odds[np.ix_(inside, np.searchsorted(known, model.classes_))] = model.predict_log_proba(words[inside])
    best, next_best = np.sort(odds, axis=1)[:, [-1, -2]].T
    told = known[odds.argmax(axis=1)]
    return _Read(
        rows, [str(label) for label in told], best - np.maximum(next_best, _UNHEARD_OF), told != labels, len(known)
    )
