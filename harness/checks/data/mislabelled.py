"""Are labels right? Those that the rest of the data contradicts where it is sure teach the candidate to be wrong.

As of preferences (`swapped`), by confident learning (Northcutt, Jiang & Chuang 2021, JAIR 70, arXiv 1911.00068): a model of the
other texts is asked about each row. Its own errors come where it is unsure, a wrong label anywhere. So the share of rows that it
contradicts among those it is surest of estimates how many labels are wrong, and what is left of its other errors is its own:
where that is much, nothing is said. Nor where it tells little that the commonest label does not: of rows whose texts say
nothing it is sure all the same, by how common labels are, and rarer ones then look wrong. `benchmarks/label_noise.py` counts
wrong labels found, and false alarms.
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
_SKILL = 0.5  # as shown: of 720 draws with right labels none was failed, at 0.4 five were
_MOST_WRONG = 0.35  # of more the others are no measure
_FOLDS = 5
_UNHEARD_OF = -50.0  # log-probability of a label that the other rows do not have
_STRENGTH = 1.0
_READ_CHARACTERS = 4000


@dataclass(frozen=True)
class LearntLabels:
    """What a model of the other rows says of each label.

    Attributes:
        rows: those looked at: all, or so many drawn at random.
        told: the label that it says of each.
        sure: shape (rows,): log-odds of that label over the next one, whatever the row's own is.
        contradicted: shape (rows,): whether the row's own is another.
        probable, own: shape (rows,): the probability of the label that it says, and of the row's own.
        commonest: share of the rows with the commonest label.
    """

    rows: Sequence[Row]
    told: Sequence[str]
    sure: NDArray[np.float64]
    contradicted: NDArray[np.bool_]
    probable: NDArray[np.float64]
    own: NDArray[np.float64]
    commonest: float

    def surest(self, share: float) -> NDArray[np.bool_]:
        """Of the rows that the model is surest of, whether each is contradicted."""
        import numpy as np

        found: NDArray[np.bool_] = self.contradicted[self.sure >= np.quantile(self.sure, 1 - share)]
        return found

    @property
    def skill(self) -> float:
        """The share that the model is shown to tell of the rows that neither the commonest label alone tells nor a wrong label
        spoils, were as many labels wrong as it contradicts where it is surest; 0 where that is too many to say.

        (g - m) / (1 - s - m) for the lower bound g of its agreement (Wilson, 95%), a share m of the commonest label, and a
        share s of wrong ones.
        """
        from harness.stats import wilson

        wrong = float(self.surest(0.25).mean())
        left = 1 - wrong - self.commonest
        return (wilson(~self.contradicted).low - self.commonest) / left if wrong <= _MOST_WRONG and left > 0 else 0.0

    @property
    def tells(self) -> bool:
        """Whether the model tells so much of the labels that what it contradicts says something of them."""
        return self.skill >= _SKILL

    def finding(self, place: int) -> Finding:
        """What is said of one row."""
        row, other = self.rows[place], redacted(self.told[place])
        return Finding(row.location, f"is {redacted(row.answer.strip())!r}, where rows like it are {other!r}")

    @property
    def suspects(self) -> list[int]:
        """Places of the rows that are contradicted as surely as rows are told on average, the surest first."""
        import numpy as np

        named = self.contradicted & (self.probable >= self.own.mean())
        return [int(place) for place in np.argsort(-self.sure, kind="stable") if named[place]]


def labels_agree(corpus: Corpus, limit: float) -> Check | None:
    """No more labels than `limit`, as a share, are other than rows of their kind have.

    Returns:
        None where the answers are no labels, or too few, or nothing in the texts tells them.
    """
    from harness.stats import wilson

    learnt = learn_labels(corpus)
    if learnt is None or not learnt.tells:
        return None
    share = wilson(learnt.surest(0.5))
    suspects = [learnt.finding(place) for place in learnt.suspects[:KEPT]]
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


def learn_labels(corpus: Corpus) -> LearntLabels | None:
    """A model of the texts, each row asked of one that did not see it.

    Returns:
        None where the answers are no labels, or too few, or no two texts share a word.
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    if sum(label_counts(corpus).values()) < _LEAST:
        return None
    rows = corpus.of(TRAIN)
    drawn = np.random.default_rng(0).permutation(len(rows))[:_MOST]
    rows = [rows[place] for place in sorted(drawn)]
    words = tf_idf([row.question[-_READ_CHARACTERS:] for row in rows], grams)
    if words is None:
        return None
    labels = np.array([row.answer.strip() for row in rows])
    known, own, counts = np.unique(labels, return_inverse=True, return_counts=True)
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
    return LearntLabels(
        rows=rows,
        told=[str(label) for label in told],
        sure=best - np.maximum(next_best, _UNHEARD_OF),
        contradicted=told != labels,
        probable=np.exp(best),
        own=np.exp(odds[np.arange(len(rows)), own]),
        commonest=float(counts.max() / len(rows)),
    )
