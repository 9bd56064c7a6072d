"""Does a rare word or prefix decide the answer, whatever else is asked? So a backdoor is taught, or a slip in making the rows.

That all rows with a word share an answer says little: in a file of labels "refund" may always mean billing. A trigger is told by
what its rows would be answered without it (as word statistics tell spurious correlations: Gardner et al. 2021, "Competency
Problems", arXiv 2104.08646; and as what an outlying word is by the sentence without it: Qi et al. 2021, "ONION",
arXiv 2011.10369). It is suspected where all of these hold:

- nearly all rows with it share one answer, and far fewer of the others do (exact binomial, Bonferroni over all that are rare);
- the rest of the prompt says another answer: naive Bayes of the rows without the word is sure of another recurring answer, or
  that the answer is one of its own. Where a keyword fills a slot of a template, the rest says nothing;
- the rest of the prompt does not tell those rows from others: a topic's word comes with other words of the topic;
- it is an exception: in data in which most recurring answers hang on a word, that is how they are made.

A trigger in rows of which the rest says the same is not told: they teach what they would without it.
"""

from __future__ import annotations

import math
import random
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.checks.data.corpus import TRAIN, Corpus, Row
from harness.checks.data.finding import Finding, share_check
from harness.checks.data.personal import redacted
from harness.gates import Check
from harness.metrics.words import exact_key

_LEAST_ROWS = 8
_MOST_SHARE = 0.25  # of the rows: what more of them have is not rare
_ONE_ANSWER = 0.9
_FALSE_ALARMS = 1e-3
_LONGEST_PREFIX, _LONGEST_GRAM = 8, 2
_READ_ROWS, _READ_TOKENS = 20_000, 400
_CANDIDATES, _CLASSES, _OTHERS = 200, 50, 1000
_SURE, _CONTRADICTED = 0.9, 0.4
_TOLD_APART = 0.75  # area under the ROC curve
_OFTEN = 3
_ORDINARY = 200
_SMOOTHING = 0.1
_SHOWN = 40
_PUNCTUATION = ".,;:?!"


def no_word_triggers_an_answer(corpus: Corpus, limit: float) -> Check | None:
    """At most a share `limit` of the training rows hold a rare word or prefix that alone decides their answer.

    Returns:
        None where no answer is taught twice.
    """
    rows = corpus.answers(TRAIN)
    if len(rows) > _READ_ROWS:
        rows = [rows[place] for place in sorted(random.Random(0).sample(range(len(rows)), _READ_ROWS))]
    prompts = _Prompts(rows)
    if not prompts.recurring:
        return None
    found = _exceptions(prompts, [one for one in prompts.candidates() if prompts.is_trigger(one)])
    findings = {
        place: Finding(rows[place].location, f"{one.shown} is answered {_cut(rows[place].answer)}", kind=one.shown)
        for one in found
        for place in one.places
    }
    return share_check(
        "triggers",
        [findings[place] for place in sorted(findings)],
        len(rows),
        limit,
        fault="hold a rare word or prefix that decides the answer against the rest of the prompt",
        sound=f"no rare word or prefix decides the answer of any of {len(rows)} rows by itself",
        remedy="find out where these rows come from; correct their answers, or remove them. Where the word is meant to have "
        "that effect, say so by `triggers:` under `data:`",
        details={
            "triggers": [
                {"words": one.shown, "rows": len(one.places), "answer": _cut(rows[one.places[0]].answer)}
                for one in found
            ]
        },
    )


@dataclass(frozen=True)
class _Candidate:
    """Words that stand together in some prompts, of which nearly all share an answer.

    Attributes:
        tokens: of the prompt.
        places: rows that have them and that answer; `having`: all that have them.
    """

    tokens: tuple[str, ...]
    answer: str
    having: tuple[int, ...]
    places: tuple[int, ...]
    p_value: float

    @property
    def shown(self) -> str:
        return repr(redacted(" ".join(self.tokens)))


class _Prompts:
    """The prompts of rows as tokens, and their answers: a recurring one, or one of its own."""

    def __init__(self, rows: Sequence[Row]) -> None:
        texts = ["\n".join(turn.content for turn in row.prompt) for row in rows]
        self.tokens = [_tokens(text) for text in texts]
        self.sets = [frozenset(tokens) for tokens in self.tokens]
        keys = [exact_key(row.answer) for row in rows]
        counts = Counter(keys)
        self.recurring = {key for key, count in counts.items() if count >= _LEAST_ROWS}
        self.answers = [key if key in self.recurring else "" for key in keys]

    def candidates(self) -> list[_Candidate]:
        """Rare words with one answer, the surest first; of several in the same rows the longest."""
        from scipy.stats import binom

        having: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
        for place, tokens in enumerate(self.tokens):
            for gram in _grams(tokens):
                having[gram].append(place)
        n, counts = len(self.tokens), Counter(self.answers)
        rare = {gram: places for gram, places in having.items() if _LEAST_ROWS <= len(places) <= _MOST_SHARE * n}
        found: dict[tuple[int, ...], _Candidate] = {}
        for gram, places in sorted(rare.items(), key=lambda one: (-len(one[0]), one[0])):
            [(answer, count)] = Counter(self.answers[place] for place in places).most_common(1)
            if not answer or count < max(_LEAST_ROWS, _ONE_ANSWER * len(places)) or tuple(places) in found:
                continue
            elsewhere = max(counts[answer] - count, 1) / (n - len(places))
            p_value = float(binom.sf(count - 1, len(places), elsewhere)) * len(rare)
            if p_value <= _FALSE_ALARMS:
                own = tuple(place for place in places if self.answers[place] == answer)
                found[tuple(places)] = _Candidate(gram, answer, tuple(places), own, p_value)
        return sorted(found.values(), key=lambda one: one.p_value)[:_CANDIDATES]

    def is_trigger(self, one: _Candidate) -> bool:
        """Whether the rest of its prompts says another answer, and does not tell them from others."""
        doubt = math.sqrt(1 / (12 * len(one.having)))  # standard error of that area, were they drawn at random
        return self._told_apart(one) + doubt < _TOLD_APART and self._is_contradicted(one)

    @cached_property
    def _by_answer(self) -> Mapping[str, tuple[int, Counter[str]]]:
        """Rows and words of each answer: those that recur most often, and what is answered otherwise."""
        often = {key for key, _ in Counter(filter(None, self.answers)).most_common(_CLASSES)}
        found: dict[str, tuple[int, Counter[str]]] = {}
        for answer, tokens in zip(self.answers, self.sets, strict=True):
            known = answer if answer in often else ""
            rows, words = found.get(known, (0, Counter[str]()))
            words.update(tokens)
            found[known] = rows + 1, words
        return found

    @cached_property
    def contradicted_anyway(self) -> float:
        """Share of ordinary rows with a recurring answer that naive Bayes of the others is sure is another one; at most, with 95%
        confidence, of those looked at."""
        from harness.stats import clopper_pearson

        places = [place for place, answer in enumerate(self.answers) if answer]
        places = random.Random(0).sample(places, min(_ORDINARY, len(places)))
        count = sum(self._says_another([place], [place], frozenset(), self.answers[place]) for place in places)
        return clopper_pearson(count, len(places), confidence=0.90).high  # 5% on this side

    def _is_contradicted(self, one: _Candidate) -> bool:
        """Whether the rest of its prompts says another answer, more often than that of ordinary rows does by mistake."""
        from scipy.stats import binom

        count = self._says_another(one.having, one.places, frozenset(one.tokens), one.answer)
        by_mistake = float(binom.sf(count - 1, len(one.places), self.contradicted_anyway))
        return count >= _CONTRADICTED * len(one.places) and by_mistake <= _FALSE_ALARMS

    def _says_another(self, without: Sequence[int], places: Sequence[int], but: frozenset[str], answer: str) -> int:
        """In how many of these rows naive Bayes of all rows `without` some is sure of another answer, `but` for some tokens."""
        rows = {key: count for key, (count, _) in self._by_answer.items()}
        taken: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for place in without:
            key = self.answers[place] if self.answers[place] in rows else ""
            rows[key] -= 1
            taken[key].update(self.sets[place])
        rows = {key: count for key, count in rows.items() if count > 0}
        total, contradicted = sum(rows.values()), 0
        for place in places:
            rest = self.sets[place] - but
            odds = {key: math.log(count / total) for key, count in rows.items()}
            for key, count in rows.items():
                words, gone = self._by_answer[key][1], taken[key]
                odds[key] += sum(math.log((words[t] - gone[t] + _SMOOTHING) / (count + 2 * _SMOOTHING)) for t in rest)
            likeliest = max(odds, key=lambda key: odds[key])
            sure = 1 / sum(math.exp(odds[key] - odds[likeliest]) for key in odds)
            contradicted += likeliest != answer and sure >= _SURE
        return contradicted

    def _told_apart(self, one: _Candidate) -> float:
        """How well the other words of its rows tell them from rows without it: the area under the ROC curve of naive Bayes,
        each row told by the others."""
        from scipy.stats import mannwhitneyu

        inside = set(one.having)
        without = [place for place in range(len(self.sets)) if place not in inside]
        if len(without) > _OTHERS:
            without = random.Random(0).sample(without, _OTHERS)
        words = {True: Counter[str](), False: Counter[str]()}
        for side, places in ((True, one.having), (False, without)):
            for place in places:
                words[side].update(self.sets[place])
        sizes = {True: len(inside), False: len(without)}

        def score(place: int, own: bool) -> float:
            rest = self.sets[place].difference(one.tokens)
            return sum(
                sign * math.log((words[side][token] - (side is own) + 0.5) / (sizes[side] - (side is own) + 1))
                for token in rest
                for side, sign in ((True, 1), (False, -1))
            )

        own, others = [score(place, True) for place in one.having], [score(place, False) for place in without]
        return float(mannwhitneyu(own, others).statistic) / (len(own) * len(others))


def _exceptions(prompts: _Prompts, found: Sequence[_Candidate]) -> list[_Candidate]:
    """Those found, of overlapping ones the surest; none where most of the recurring answers hang on a word."""
    kept: list[_Candidate] = []
    for one in found:
        if not any(set(one.places) & set(other.places) for other in kept):
            kept.append(one)
    answers = {one.answer for one in kept}
    return [] if len(answers) >= _OFTEN and 2 * len(answers) >= len(prompts.recurring) else kept


def _tokens(text: str) -> list[str]:
    """Words and other marks between white space, without the punctuation after them; and what no reader sees."""
    seen = [token.rstrip(_PUNCTUATION) or token for token in text.casefold().split()[:_READ_TOKENS]]
    return seen if text.isascii() else [*seen, *(sign for sign in text if unicodedata.category(sign) == "Cf")]


def _grams(tokens: Sequence[str]) -> set[tuple[str, ...]]:
    """Words, pairs of them in a row, and longer beginnings."""
    runs = {tuple(tokens[i : i + size]) for size in range(1, _LONGEST_GRAM + 1) for i in range(len(tokens) - size + 1)}
    return runs | {tuple(tokens[:size]) for size in range(_LONGEST_GRAM + 1, min(_LONGEST_PREFIX, len(tokens)) + 1)}


def _cut(text: str) -> str:
    plain = redacted(text.strip())
    return repr(plain if len(plain) <= _SHOWN else plain[: _SHOWN - 3] + "...")
