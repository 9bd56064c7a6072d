"""A small model of what a set of preferences prefers, learnt from its text: logistic regression on what two answers differ in.

It reads words and their pairs (tf-idf), what shows on the surface of an answer (length, layout, what it has of its prompt), and
the same as the prompt's topic turns it. It is no judge: what the set does not say in many rows it does not know.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from harness.checks.data.corpus import Row
from harness.metrics.words import terms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FOLDS = 5
_READ_CHARACTERS = 4000
_STRENGTH = 0.1  # inverse of the L2 penalty; 1 told planted swaps no better, and was surer of its errors
_WORDS_WEIGHT = 3.0
_TOPICS = 6
_TOPICS_WEIGHT = 0.3
_LEAST_ROWS_OF_A_WORD = 2
_ITEM = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s", re.MULTILINE)
_ENDS = tuple(".!?…)\"'`*}>]。！？")  # noqa: RUF001


@dataclass(frozen=True)
class Preferences:
    """Preferences as the model reads them, one for each row.

    Attributes:
        rows: pairs; or as many answers that are wanted as that are not (KTO).
        features: sparse, shape (rows, features): of pairs the better answer less the worse one.
        labels: shape (rows,); 1 or -1: of pairs 1, of single answers whether they are wanted.
    """

    rows: Sequence[Row]
    features: Any
    labels: NDArray[np.float64]

    def part(self, places: NDArray[np.int64]) -> Preferences:
        """Those at some places."""
        return Preferences([self.rows[place] for place in places], self.features[places], self.labels[places])

    def cross_validated(self) -> NDArray[np.float64]:
        """Shape (rows,): the log-odds of what each row prefers, by a model of rows without it."""
        import numpy as np

        folds = np.random.default_rng(0).permutation(len(self.rows)) % _FOLDS
        found = np.zeros(len(self.rows))
        for fold in range(_FOLDS):
            inside = np.flatnonzero(folds == fold)
            found[inside] = self.part(np.flatnonzero(folds != fold)).told(self.part(inside))
        return found

    def told(self, others: Preferences) -> NDArray[np.float64]:
        """Shape (rows of the others,): the log-odds of what they prefer, by a model of these."""
        import numpy as np
        from scipy.sparse import diags_array
        from sklearn.linear_model import LogisticRegression

        # a pair says the same with its two answers and its label turned round; the model wants both labels
        turned = np.where(np.random.default_rng(1).random(len(self.rows)) < 0.5, -1.0, 1.0)
        labels = self.labels * (turned if len(set(self.labels)) < 2 else 1.0)
        if len(set(labels)) < 2:
            return np.zeros(len(others.rows))
        read = diags_array(labels * self.labels) @ self.features
        model = LogisticRegression(
            C=_STRENGTH, fit_intercept=False, solver="liblinear", dual=True, tol=0.01, max_iter=1000, random_state=0
        ).fit(read, labels > 0)
        odds: NDArray[np.float64] = (others.features @ model.coef_[0]) * others.labels
        return odds


def read_pairs(rows: Sequence[Row]) -> Preferences:
    """Pairs of a better and a worse answer; one or more."""
    import numpy as np

    better, worse = [row.taught for row in rows], [row.refused for row in rows]
    surface = _surfaces(rows, better) - _surfaces(rows, worse)
    words = _words([*better, *worse])
    return Preferences(rows, _joined(rows, surface, words[: len(rows)] - words[len(rows) :]), np.ones(len(rows)))


def read_marked(rows: Sequence[Row]) -> Preferences:
    """Answers that are wanted or not; one or more."""
    import numpy as np

    answers = [row.taught for row in rows]
    surface = _surfaces(rows, answers)
    surface = np.hstack([surface - surface.mean(axis=0), np.ones((len(rows), 1))])
    labels = np.where([bool(row.wanted) for row in rows], 1.0, -1.0)
    return Preferences(rows, _joined(rows, surface, _words(answers)), labels)


def _joined(rows: Sequence[Row], surface: NDArray[np.float64], words: Any) -> Any:
    import numpy as np
    from scipy.sparse import csr_array, hstack

    size = np.sqrt((surface**2).mean(axis=0))
    surface = surface / np.where(size > 0, size, 1.0)
    turned = np.einsum("ri,rj->rij", _topics(rows), surface).reshape(len(rows), -1)
    return csr_array(hstack([csr_array(surface), csr_array(_TOPICS_WEIGHT * turned), _WORDS_WEIGHT * words]))


def grams(text: str) -> list[str]:
    """The words of a text, and each two that follow on each other."""
    said = terms(text)
    return [*said, *(f"{a} {b}" for a, b in pairwise(said))]


def _words(texts: Sequence[str]) -> Any:
    from scipy.sparse import csr_array

    found = tf_idf([text[:_READ_CHARACTERS] for text in texts], grams)
    return csr_array((len(texts), 0)) if found is None else found


def tf_idf(texts: Sequence[str], analyzer: Any) -> Any:
    """How much of each word a text has, against how common it is. Shape (texts, words); None where no two texts share a word."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    try:
        return TfidfVectorizer(sublinear_tf=True, analyzer=analyzer, min_df=_LEAST_ROWS_OF_A_WORD).fit_transform(texts)
    except ValueError:  # nothing is left of the vocabulary
        return None


def _topics(rows: Sequence[Row]) -> NDArray[np.float64]:
    """Shape (rows, topics): what the prompts are about (latent semantic analysis), of one mean square each."""
    import numpy as np
    from sklearn.decomposition import TruncatedSVD

    found = tf_idf([row.question[-_READ_CHARACTERS:] for row in rows], terms)
    if found is None or min(found.shape) <= _TOPICS:
        return np.zeros((len(rows), 1))
    topics: NDArray[np.float64] = TruncatedSVD(_TOPICS, random_state=0).fit_transform(found)
    size = np.sqrt((topics**2).mean(axis=0))
    return topics / np.where(size > 0, size, 1.0)


def _surfaces(rows: Sequence[Row], answers: Sequence[str]) -> NDArray[np.float64]:
    import numpy as np

    read = [_surface(row.question[-_READ_CHARACTERS:], text) for row, text in zip(rows, answers, strict=True)]
    return np.array(read)


def _surface(prompt: str, answer: str) -> list[float]:
    """What shows of an answer without its words: size, variety, what it repeats of the prompt, layout, punctuation, its ends."""
    text = answer[:_READ_CHARACTERS]
    said, asked = terms(text), set(terms(prompt))
    own, letters = set(said), max(1, len(text))
    return [
        math.log1p(len(answer)),
        math.log1p(len(said)),
        len(own) / max(1, len(said)),
        sum(word in asked for word in said) / max(1, len(said)),
        len(own & asked) / max(1, len(asked)),
        *(math.log1p(text.count(mark)) for mark in "\n?!,"),
        math.log1p(len(_ITEM.findall(text))),
        float("```" in text),
        sum(map(str.isdigit, text)) / letters,
        sum(map(str.isupper, text)) / letters,
        float(answer.rstrip().endswith(_ENDS)),
        float(answer.lstrip().startswith(("{", "[", "<"))),
    ]
