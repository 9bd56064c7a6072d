"""Are the questions of the evaluation sets among the training rows?

After Brown et al., "Language Models are Few-Shot Learners" (2020), appendix C: an item is contaminated where it shares
13 words in a row with the training data, a shorter one where all of it is there; runs of words that many items have are
the set's own boilerplate and count for none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.checks.data.corpus import REHEARSAL, TRAIN, Corpus, Row
from harness.checks.data.evaluation import EvaluationItem
from harness.checks.data.finding import KEPT, SHOWN, allowed, share_check
from harness.checks.data.overlap import Run, Windows, shared_runs, word_keys
from harness.gates import Check
from harness.metrics.words import terms, within, word_count, words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WHOLE_LEAST = 8
"""A shorter question ("What is a chord?") says little by itself: its answer must stand in the same row."""

_LEAST = 5
"""Items of fewer words, answer included, are not looked for."""

_BOILERPLATE_ITEMS = 10


@dataclass(frozen=True)
class Match:
    """A training row and an item that share words.

    Attributes:
        words: length of the longest run of words that both have, as `word_count` counts them.
        common: that run, case folded and without punctuation.
    """

    row: Row
    item: EvaluationItem
    words: int
    common: str


def find_matches(rows: Sequence[Row], items: Sequence[EvaluationItem], *, ngram: int = 13) -> list[Match]:
    """Every pair of a training row and an item of which one contains the other, in part or whole; longest run first.

    Args:
        ngram: words in a row that make a match; of scripts without spaces see `word_count`.
    """
    vocabulary: dict[str, int] = {}
    left = Windows([words(row.text) for row in rows], vocabulary)
    # equal questions once: items that repeat each other are no boilerplate
    texts: dict[tuple[str, ...], list[EvaluationItem]] = {}
    for item in items:
        texts.setdefault(tuple(words(item.question)), []).append(item)
    questions = list(texts)
    right = Windows(questions, vocabulary)
    keys = word_keys(vocabulary)
    long = {number for number, question in enumerate(questions) if word_count(question) >= ngram}
    runs = shared_runs(left, right, ngram, keys, _distinctive(right, ngram, keys))
    runs = [run for run in runs if run.right in long and word_count(_shared(run, questions)) >= ngram]
    for size in sorted({len(question) for number, question in enumerate(questions) if question and number not in long}):
        runs += shared_runs(left, right, size, keys, _of_whole_texts(right, size))
    matches = [
        Match(rows[run.left], item, word_count(_shared(run, questions)), " ".join(_shared(run, questions)))
        for run in runs
        for item in texts[questions[run.right]]
        if _is_evidence(questions[run.right], item, rows[run.left], left.texts[run.left], ngram)
    ]
    return sorted(matches, key=lambda match: (-match.words, match.row.location, match.item.name))


def evaluation_sets_are_not_trained_on(
    corpus: Corpus, items: Sequence[EvaluationItem], limit: float, *, ngram: int
) -> Check | None:
    """At most a share `limit` of the items of any evaluation set is contaminated by training or rehearsal rows.

    Returns:
        None where no evaluation set is in use.
    """
    if not items:
        return None
    rows = corpus.of(TRAIN, REHEARSAL)
    if not rows:
        return share_check("contamination", [], 0, limit, fault="", sound="", remedy="")
    matches = find_matches(rows, items, ngram=ngram)
    best: dict[str, Match] = {}
    for match in matches:
        best.setdefault(match.item.name, match)
    asked = Counter(item.task for item in items)
    found = Counter(match.item.task for match in best.values())
    tasks = sorted(asked, key=lambda task: -found[task] / asked[task])
    failed = [task for task in tasks if found[task] / asked[task] > limit]
    return Check(
        "contamination",
        holds=not failed,
        reason=_reason(failed or tasks, asked, found, list(best.values()), limit),
        remedy="take the rows named here out of the training data and train again: the score on these items means nothing",
        details={
            "allowed_share": limit,
            "ngram": ngram,
            "rows_involved": len({match.row.location for match in matches}),
            "sets": {task: {"items": asked[task], "contaminated": found[task]} for task in tasks},
            "findings": [
                {"place": m.row.location, "item": m.item.name, "words": m.words, "common": m.common}
                for m in list(best.values())[:KEPT]
            ],
        },
    )


def _reason(
    tasks: Sequence[str], asked: Mapping[str, int], found: Mapping[str, int], best: Sequence[Match], limit: float
) -> str:
    """Of these tasks those that have matches, and the longest of their matches."""
    hit = [task for task in tasks if found[task]]
    if not hit:
        return f"no item of {', '.join(tasks)} is in the training data"
    counts = [f"{found[task]} of {asked[task]} items of {task} ({found[task] / asked[task]:.1%})" for task in hit]
    shown = [
        f"{match.row.location} shares {match.words} words with {match.item.name}: {match.common!r}"
        for match in best
        if match.item.task in hit
    ]
    return f"{', '.join(counts)} in the training data, {allowed(limit)}: {'; '.join(shown[:SHOWN])}"


def _shared(run: Run, questions: Sequence[Sequence[str]]) -> Sequence[str]:
    return questions[run.right][run.right_start :][: run.length]


def _is_evidence(question: Sequence[str], item: EvaluationItem, row: Row, said: Sequence[str], ngram: int) -> bool:
    """Whether a shared run is evidence: short questions want their symbols, or none, and very short ones their answer in
    the same row.

    Args:
        question: the item's words.
        said: the row's words.
    """
    length = word_count(question)
    if length >= ngram:
        return True
    if length < _WHOLE_LEAST:
        answer = words(item.answer)
        if not answer or length + word_count(answer) < _LEAST or not within(answer, said):
            return False
    asked, parts = terms(item.question), terms(row.text)
    return len(asked) == len(question) or within(asked, parts) or within(question, parts)


def _of_whole_texts(right: Windows, size: int) -> NDArray[np.bool_]:
    """First words of texts of just that size."""
    import numpy as np

    mask = np.zeros(len(right.words), dtype=bool)
    mask[right.starts[:-1][np.diff(right.starts) == size]] = True
    return mask


def _distinctive(right: Windows, size: int, keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """First words of windows that few texts have."""
    import numpy as np

    hashes, firsts = right.hashes(size, keys)
    _, kind = np.unique(hashes, return_inverse=True)
    pairs = np.unique(np.stack([kind, right.text_of[firsts]]), axis=1)
    texts = np.bincount(pairs[0], minlength=1)
    mask = np.zeros(len(right.words), dtype=bool)
    mask[firsts[texts[kind] <= _BOILERPLATE_ITEMS]] = True
    return mask
