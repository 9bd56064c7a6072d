"""Questions of evaluation sets that stand in training rows.

After Brown et al., "Language Models are Few-Shot Learners" (2020), appendix C: an item is contaminated where it shares
13 words in a row with the training data, a shorter one where all of it is there; runs of words that many items have are
the set's own boilerplate and count for none. So do the words that the task's template puts around what an item asks: an
item is what it does not share with the others (see `templates`).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from harness.checks.data.corpus import Row
from harness.checks.data.evaluation import EvaluationItem
from harness.checks.data.overlap import Run, Windows, shared_runs, word_keys
from harness.checks.data.templates import template_words, texts_having
from harness.metrics.words import terms, within, word_count, words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WHOLE_LEAST = 8
"""A shorter question ("What is a chord?") says little by itself: its answer must stand in the same row."""

_LEAST = 5
"""Items of fewer words, answer included, are not looked for."""

_OWN_LEAST = 3
"""An item with fewer words of its own is looked for as it was asked, template and all."""

_BOILERPLATE_ITEMS = 10

_LABEL_ROWS = 3

_EDGE = re.compile(r'[\n:"\u201c\u201d\u00ab\u00bb]')
"""What sets a text apart from those around it: a line, a field ("Text: ..."), a quotation."""


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


@dataclass(frozen=True)
class _Asked:
    """A question of a task, and the items that ask it.

    Attributes:
        own: its words from the first to the last that is no template's; all of them where those are too few.
        before, after: what the template says around those.
        mine: of each word of `own` whether it is no template's.
        labelled: its task's answers are labels: there are fewer of them than half the items.
    """

    items: Sequence[EvaluationItem]
    before: tuple[str, ...]
    own: tuple[str, ...]
    after: tuple[str, ...]
    mine: tuple[bool, ...]
    labelled: bool

    def own_words(self, start: int, length: int) -> int:
        """How many of these words of `own` are no template's, as `word_count` counts them."""
        of = slice(start, start + length)
        return word_count([word for word, mine in zip(self.own[of], self.mine[of], strict=True) if mine])

    @cached_property
    def count(self) -> int:
        """Words that are no template's."""
        return self.own_words(0, len(self.own))

    @cached_property
    def whole_count(self) -> int:
        """Words of the whole question."""
        return word_count((*self.before, *self.own, *self.after))


def _asked(items: Sequence[EvaluationItem], vocabulary: dict[str, int]) -> list[_Asked]:
    """Equal questions of a task once: items that repeat each other are no boilerplate."""
    import numpy as np

    texts: dict[tuple[str, tuple[str, ...]], list[EvaluationItem]] = defaultdict(list)
    answers: dict[str, list[str]] = defaultdict(list)
    for item in items:
        texts[item.task, tuple(words(item.question))].append(item)
        answers[item.task].append(item.answer)
    labelled = {task for task, given in answers.items() if 2 * len(set(given)) <= len(given)}
    windows = Windows([question for _, question in texts], vocabulary)
    template = template_words(windows, word_keys(vocabulary), [task for task, _ in texts])
    asked = []
    for number, ((task, question), same) in enumerate(texts.items()):
        mine = ~template[windows.starts[number] : windows.starts[number + 1]]
        places = np.flatnonzero(mine)
        few = len(places) < _OWN_LEAST
        first, end = (0, len(question)) if few else (int(places[0]), int(places[-1]) + 1)
        own = tuple(mine[first:end].tolist())
        asked.append(_Asked(same, question[:first], question[first:end], question[end:], own, task in labelled))
    return asked


class _Said:
    """The training rows as words."""

    def __init__(self, rows: Sequence[Row], windows: Windows) -> None:
        self.rows = rows
        self.windows = windows
        self._edges: dict[int, frozenset[int]] = {}

    @cached_property
    def _answers(self) -> Counter[tuple[str, ...]]:
        return Counter(tuple(words(row.answer)) for row in self.rows)

    def is_label(self, answer: Sequence[str]) -> bool:
        """Whether several rows answer so."""
        return self._answers[tuple(answer)] >= _LABEL_ROWS

    def alone(self, run: Run, asked: _Asked) -> bool:
        """Whether what a row shares with a question stands there by itself: between edges, or its task's template.

        Or with the task's template around it amid other text: so it was pasted, while rows made by that template begin
        and end with it.
        """
        said = self.windows.texts[run.left]
        start, end = run.left_start, run.left_start + run.length
        begins = self._is_edge(run.left, start) or _meet(said[:start][::-1], asked.before[::-1])
        ends = self._is_edge(run.left, end) or _meet(said[end:], asked.after)
        if begins and ends:
            return True
        first, last = start - len(asked.before), end + len(asked.after)
        whole = first >= 0 and tuple(said[first:last]) == (*asked.before, *asked.own, *asked.after)
        pasted = not (self._is_edge(run.left, first) if asked.before else self._is_edge(run.left, last))
        return whole and pasted and bool(asked.before or asked.after)

    def _is_edge(self, row: int, place: int) -> bool:
        """Whether a line, field or quotation begins or ends at that word."""
        return place in self._edges_of(row)

    def _edges_of(self, row: int) -> frozenset[int]:
        """How many words stand before each line, field and quotation of the row, and in all of it."""
        if row not in self._edges:
            places = [0]
            for piece in _EDGE.split(self.rows[row].text):
                places.append(places[-1] + len(words(piece)))
            self._edges[row] = frozenset({*places, len(self.windows.texts[row])})
        return self._edges[row]


def _meet(said: Sequence[str], template: Sequence[str]) -> bool:
    """Whether a text begins as the template does."""
    n = min(_OWN_LEAST, len(template))
    return n > 0 and list(said[:n]) == list(template[:n])


def find_matches(rows: Sequence[Row], items: Sequence[EvaluationItem], *, ngram: int = 13) -> list[Match]:
    """Every pair of a training row and an item of which one contains the other, in part or whole; longest run first.

    Args:
        ngram: words in a row that make a match, without those of the task's template; of scripts without spaces see
            `word_count`.
    """
    vocabulary: dict[str, int] = {}
    left = Windows([words(row.text) for row in rows], vocabulary)
    asked = _asked(items, vocabulary)
    right = Windows([one.own for one in asked], vocabulary)
    keys = word_keys(vocabulary)
    said = _Said(rows, left)
    long = {number for number, one in enumerate(asked) if one.count >= ngram}
    runs = shared_runs(left, right, ngram, keys, _distinctive(right, ngram, keys))
    found = [
        (run, item)
        for run in runs
        if run.right in long and asked[run.right].own_words(run.right_start, run.length) >= ngram
        for item in asked[run.right].items
    ]
    short = {number: min(len(one.own), ngram) for number, one in enumerate(asked) if one.own and number not in long}
    for size in sorted(set(short.values())):
        starts = [number for number, of in short.items() if of == size]
        found += [
            (run, item)
            for run in shared_runs(left, right, size, keys, _beginnings(right, starts))
            if run.length == len(asked[run.right].own)
            for item in asked[run.right].items
            if _is_evidence(run, asked[run.right], item, said)
        ]
    matches = [_match(run, item, asked[run.right], rows) for run, item in found]
    return sorted(matches, key=lambda match: (-match.words, match.row.location, match.item.name))


def _match(run: Run, item: EvaluationItem, asked: _Asked, rows: Sequence[Row]) -> Match:
    shared = asked.own[run.right_start :][: run.length]
    return Match(rows[run.left], item, word_count(shared), " ".join(shared))


def _is_evidence(run: Run, asked: _Asked, item: EvaluationItem, said: _Said) -> bool:
    """Whether it tells anything that a row holds all of a short question.

    One of few words, which other texts may well say in passing, wants more: that the row asks just this, or also has its
    answer; where answers are labels, which many rows have, both.
    """
    row = said.rows[run.left]
    if asked.count < _WHOLE_LEAST:
        answer = words(item.answer)
        looked_for = asked.whole_count if asked.count < _OWN_LEAST else asked.count
        answered = bool(answer) and looked_for + word_count(answer) >= _LEAST
        answered = answered and within(answer, said.windows.texts[run.left])
        exact = asked.whole_count >= _WHOLE_LEAST
        if not (exact or answered):
            return False
        told = answered and not asked.labelled and not said.is_label(answer)
        if not told and not said.alone(run, asked):
            return False
    question, parts = _own_terms(item, asked), terms(row.text)
    return len(question) == len(asked.own) or within(question, parts) or within(asked.own, parts)


def _own_terms(item: EvaluationItem, asked: _Asked) -> list[str]:
    """The item's own words with the symbols between them."""
    of_question = terms(item.question)
    places = [place for place, term in enumerate(of_question) if words(term)]
    first, end = len(asked.before), len(asked.before) + len(asked.own)
    return of_question[places[first] if first else 0 : places[end] if end < len(places) else None]


def _beginnings(right: Windows, texts: Sequence[int]) -> NDArray[np.bool_]:
    """First words of these texts."""
    import numpy as np

    mask = np.zeros(len(right.words), dtype=bool)
    mask[right.starts[list(texts)]] = True
    return mask


def _distinctive(right: Windows, size: int, keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """First words of windows that few texts have."""
    import numpy as np

    hashes, firsts = right.hashes(size, keys)
    mask = np.zeros(len(right.words), dtype=bool)
    mask[firsts[texts_having(right, hashes, firsts) <= _BOILERPLATE_ITEMS]] = True
    return mask
