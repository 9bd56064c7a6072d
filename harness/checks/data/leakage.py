"""Is what the adapter is judged on new to it? Validation rows and test items against the training rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.checks.data.corpus import REHEARSAL, TRAIN, VALIDATION, Corpus, Row
from harness.checks.data.duplicates import NearIndex
from harness.checks.data.evaluation import EvaluationItem
from harness.checks.data.finding import Finding, share_check
from harness.checks.data.personal import redacted
from harness.checks.data.words import exact_key, words
from harness.gates import Check

_SHOWN_CHARACTERS = 160
_TURN_WORDS = 5


@dataclass(frozen=True)
class _HeldOut:
    place: str
    question: str


def held_out_rows_are_new(corpus: Corpus, tests: Sequence[EvaluationItem], limit: float) -> Check:
    """At most a share `limit` of the validation rows and test items asks, word for word, what a training row asks.

    What a training row asks is its whole conversation, and each of its user's turns of five words or more: a greeting
    that opens many conversations is no leak.
    """
    asked = {key: row.place for row in reversed(corpus.of(TRAIN, REHEARSAL)) for key in _questions(row)}
    held_out = _held_out(corpus, tests)
    findings = [
        Finding(one.place, f"asked by {asked[key]}: {_shown(one.question)!r}", other=asked[key])
        for one in held_out
        if (key := exact_key(one.question)) in asked
    ]
    return share_check(
        "leakage",
        findings,
        len(held_out),
        limit,
        counted="held-out rows and test items",
        fault="are trained on",
        sound=f"none of {len(held_out)} held-out rows is among the training rows",
        remedy="take these rows out of the training file (or draw the split anew, without repeated rows): what was "
        "learnt by heart proves nothing",
    )


def held_out_rows_differ(corpus: Corpus, tests: Sequence[EvaluationItem], limit: float, *, similarity: float) -> Check:
    """At most a share `limit` of them is nearly like a training row (see `NearIndex`), copies word for word included."""
    train = corpus.of(TRAIN, REHEARSAL)
    index = NearIndex([row.question for row in train], similarity)
    held_out = _held_out(corpus, tests)
    findings = []
    for one, near in zip(held_out, index.nearest([one.question for one in held_out]), strict=True):
        if near is not None:
            twin = train[near.index]
            problem = f"{near.similarity:.0%} like {twin.place}: {_shown(one.question)!r} and {_shown(twin.question)!r}"
            findings.append(Finding(one.place, problem, other=twin.place))
    return share_check(
        "near_leakage",
        findings,
        len(held_out),
        limit,
        counted="held-out rows and test items",
        fault=f"are alike to {similarity:.0%} or more with a training row",
        sound=f"none of {len(held_out)} held-out rows is alike to {similarity:.0%} or more with a training row",
        remedy="take the training rows named here out, or hold out whole templates, customers or documents",
    )


def _questions(row: Row) -> list[str]:
    """What a row asks, as keys; none of them empty."""
    turns = [turn.content for turn in row.prompt if turn.role == "user" and len(words(turn.content)) >= _TURN_WORDS]
    return [key for key in map(exact_key, (row.question, *turns)) if key]


def _held_out(corpus: Corpus, tests: Sequence[EvaluationItem]) -> list[_HeldOut]:
    validation = [_HeldOut(row.place, row.question) for row in corpus.of(VALIDATION)]
    return [*validation, *(_HeldOut(item.name, item.question) for item in tests)]


def _shown(text: str) -> str:
    text = redacted(text)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."
