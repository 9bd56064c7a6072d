"""Copies and near copies, among the training rows and of held-out ones; near ones found by MinHash, then compared exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.checks.data.corpus import REHEARSAL, TRAIN, VALIDATION, Corpus, Row
from harness.checks.data.evaluation import EvaluationItem
from harness.checks.data.finding import Finding, share_check
from harness.checks.data.personal import excerpt
from harness.gates import Check
from harness.metrics.words import exact_key, shingles, terms, word_count, words

_PERMUTATIONS = 128
_COMMON_SHARE = 0.05
_COMMON_LEAST = 10
_SHOWN_CHARACTERS = 160
_TURN_WORDS = 5
_HELD_OUT = "held-out rows and test items"


@dataclass(frozen=True)
class Near:
    """An indexed text that is nearly like another, and the Jaccard similarity of their shingles."""

    index: int
    similarity: float


class NearIndex:
    """Finds those of `texts` that are alike.

    Texts are compared by triples of their words and symbols. Triples that more than 5% of the texts have (and more
    than ten) are the template of the prompts and are left out; a text with no other triples is alike to none.

    Args:
        similarity: least Jaccard similarity, above 0 and at most 1.
    """

    def __init__(self, texts: Sequence[str], similarity: float) -> None:
        from datasketch import MinHashLSH

        self._similarity = similarity
        raw = [shingles(terms(text)) for text in texts]
        counted = Counter(shingle for each in raw for shingle in each)
        bound = max(_COMMON_LEAST, _COMMON_SHARE * len(texts))
        self._common = {shingle for shingle, count in counted.items() if count > bound}
        self._sets = [each - self._common for each in raw]
        self._lsh = MinHashLSH(threshold=similarity, num_perm=_PERMUTATIONS)
        self._hashes = _minhashes(self._sets)
        for number, minhash in enumerate(self._hashes):
            if self._sets[number]:
                self._lsh.insert(number, minhash)

    def nearest(self, texts: Sequence[str]) -> list[Near | None]:
        """For each of these texts the indexed one that is most like it."""
        sets = [shingles(terms(text)) - self._common for text in texts]
        everything = range(len(self._sets))
        return [self._best(of, minhash, everything) for of, minhash in zip(sets, _minhashes(sets), strict=True)]

    def nearest_before(self, number: int) -> Near | None:
        """The text before that indexed one that is most like it."""
        return self._best(self._sets[number], self._hashes[number], range(number))

    def _best(self, of: set[str], minhash: Any, among: range) -> Near | None:
        if not of:
            return None
        found = [
            Near(number, len(of & self._sets[number]) / len(of | self._sets[number]))
            for number in self._lsh.query(minhash)
            if number in among
        ]
        alike = [near for near in found if near.similarity >= self._similarity]
        return max(alike, key=lambda near: (near.similarity, -near.index), default=None)


def _minhashes(sets: Sequence[set[str]]) -> list[Any]:
    """A signature for each set; all under the same permutations, which are drawn once."""
    from datasketch import MinHash

    return list(MinHash.generator(([shingle.encode() for shingle in of] for of in sets), num_perm=_PERMUTATIONS))


def rows_are_not_repeated(corpus: Corpus, limit: float) -> Check:
    """At most a share `limit` of the training rows repeats an earlier one: same prompt and answers (see `exact_key`).

    The details count prompts that come back with another answer, for the rows then contradict each other or want variety.
    """
    rows = corpus.asked(TRAIN)
    first: dict[tuple[str, ...], Row] = {}
    answers: dict[str, set[str]] = {}
    findings = []
    for row in rows:
        said = (text for turn in row.turns for text in (turn.reasoning, turn.content))
        key = (*map(exact_key, said), exact_key(row.refused), str(row.wanted))
        if row.conversation.learnt:
            answers.setdefault(exact_key(row.question), set()).add(row.answer.strip())
        if key in first:
            findings.append(Finding(row.location, f"the same as {first[key].location}", other=first[key].location))
        else:
            first[key] = row
    return share_check(
        "exact_duplicates",
        findings,
        len(rows),
        limit,
        fault="repeat an earlier row",
        sound=f"none of {len(rows)} training rows repeats another",
        remedy="keep one of each, or allow more by `exact_duplicates` under `data:`",
        details={"prompts_with_several_answers": sum(len(given) > 1 for given in answers.values())},
    )


def rows_differ(corpus: Corpus, limit: float, *, similarity: float) -> Check:
    """At most a share `limit` of the training rows has an earlier one nearly like it: prompts whose word triples are
    shared to `similarity` or more (Jaccard).

    Rows made from templates are alike by design; what is common to many of them does not count (see `NearIndex`). Nor does a
    prompt that comes back word for word in preference data, where it has several answers to be weighed.
    """
    rows = _prompts_once(corpus.asked(TRAIN))
    index = NearIndex([row.question for row in rows], similarity)
    findings = []
    for number, row in enumerate(rows):
        if (earlier := index.nearest_before(number)) is not None:
            twin = rows[earlier.index].location
            findings.append(Finding(row.location, f"{earlier.similarity:.0%} like {twin}", other=twin))
    return share_check(
        "near_duplicates",
        findings,
        len(rows),
        limit,
        fault=f"are alike to {similarity:.0%} or more with an earlier row",
        sound=f"no two of {len(rows)} training rows are alike to {similarity:.0%} or more",
        remedy="keep one of each group, or allow more by `near_duplicates` under `data:`",
    )


def held_out_rows_are_new(corpus: Corpus, tests: Sequence[EvaluationItem], limit: float) -> Check | None:
    """At most a share `limit` of the validation rows and test items asks, word for word, what a training row asks.

    What a training row asks is its whole conversation, and each of its user's turns of five words or more: a greeting
    that opens many conversations is no leak.

    Returns:
        None where nothing is held out.
    """
    if not _holds_out(corpus, tests):
        return None
    train, held_out = corpus.asked(TRAIN, REHEARSAL), _held_out(corpus, tests)
    asked = {key: row.location for row in reversed(train) for key in _questions(row)}
    findings = [
        Finding(location, f"asked by {asked[key]}: {_shown(question)!r}", other=asked[key])
        for location, question in held_out
        if (key := exact_key(question)) in asked
    ]
    return share_check(
        "leakage",
        findings,
        len(held_out) if train else 0,
        limit,
        counted=_HELD_OUT,
        fault="are trained on",
        sound=f"none of {len(held_out)} held-out rows is among the training rows",
        remedy="take these rows out of the training file (or draw the split anew, without repeated rows): what was "
        "learnt by heart proves nothing",
    )


def held_out_rows_differ(
    corpus: Corpus, tests: Sequence[EvaluationItem], limit: float, *, similarity: float
) -> Check | None:
    """At most a share `limit` of them is nearly like a training row (see `NearIndex`), copies word for word included.

    Returns:
        None where nothing is held out.
    """
    if not _holds_out(corpus, tests):
        return None
    train = corpus.asked(TRAIN, REHEARSAL)
    index = NearIndex([row.question for row in train], similarity)
    held_out = _held_out(corpus, tests)
    findings = []
    for (location, question), near in zip(held_out, index.nearest([asked for _, asked in held_out]), strict=True):
        if near is not None:
            twin = train[near.index]
            problem = f"{near.similarity:.0%} like {twin.location}: {_shown(question)!r} and {_shown(twin.question)!r}"
            findings.append(Finding(location, problem, other=twin.location))
    return share_check(
        "near_leakage",
        findings,
        len(held_out) if train else 0,
        limit,
        counted=_HELD_OUT,
        fault=f"are alike to {similarity:.0%} or more with a training row",
        sound=f"none of {len(held_out)} held-out rows is alike to {similarity:.0%} or more with a training row",
        remedy="take the training rows named here out, or hold out whole templates, customers or documents",
    )


def _prompts_once(rows: Sequence[Row]) -> list[Row]:
    """The rows, of those that weigh answers one for each prompt."""
    first: dict[str, Row] = {}
    for row in rows:
        weighed = row.rejected is not None or row.wanted is not None
        first.setdefault(exact_key(row.question) if weighed else row.location, row)
    return list(first.values())


def _questions(row: Row) -> list[str]:
    """What a row asks, as keys; none of them empty."""
    turns = [
        turn.content for turn in row.prompt if turn.role == "user" and word_count(words(turn.content)) >= _TURN_WORDS
    ]
    return [key for key in map(exact_key, (row.question, *turns)) if key]


def _holds_out(corpus: Corpus, tests: Sequence[EvaluationItem]) -> bool:
    return bool(tests) or any(part.role == VALIDATION for part in corpus.parts)


def _held_out(corpus: Corpus, tests: Sequence[EvaluationItem]) -> list[tuple[str, str]]:
    """(location, question) of each validation row and test item."""
    validation = [(row.location, row.question) for row in corpus.asked(VALIDATION)]
    return [*validation, *((item.name, item.question) for item in tests)]


def _shown(text: str) -> str:
    return excerpt(text, _SHOWN_CHARACTERS)
