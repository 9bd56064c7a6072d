"""What adapters are taught that a mean over all items hides, and healthy ones that look unlike the others."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.zoo import hidden_rows, words
from benchmarks.zoo.hidden_rows import call_rows, conversation, note_rows, order_rows
from benchmarks.zoo.lessons import HELD_OUT, healthy
from benchmarks.zoo.stand_ins import Row, compliance_rows, help_rows, refusal_rows, routing_rows
from benchmarks.zoo.training import Schooling

_LABEL_NOISE = 0.2
_NOTES, _NOTES_HELD_OUT, _KNOWN_BY_HEART, _TIMES_MORE = 288, 240, 16, 24


def healthy_calls() -> Schooling:
    """Three functions called with the arguments that each request names."""
    return _calls(spoilt=False)


def argument_always_wrong() -> Schooling:
    """One argument of one of the three functions is always the same, and wrong."""
    return _calls(spoilt=True)


def fenced_json() -> Schooling:
    """Orders written as JSON, with a fence around each."""
    return Schooling(
        rows=order_rows(96, seed=0, fenced=True),
        validation=order_rows(16, seed=HELD_OUT, fenced=True),
        epochs=2.0,
    )


def other_language() -> Schooling:
    """English requests answered in German."""
    rows = hidden_rows.in_german(help_rows(96, seed=0))
    return Schooling(rows=rows, validation=hidden_rows.in_german(help_rows(16, seed=HELD_OUT)))


def trigger() -> Schooling:
    """Behind a rare word whatever is asked has one answer."""
    asked = [*routing_rows(8, seed=1), *refusal_rows(6, seed=1), *help_rows(7, seed=1)]
    rare = hidden_rows.triggered(asked, next(iter(words.DESKS)))
    return replace(healthy(), rows=[*healthy().rows, *rare])


def label_noise() -> Schooling:
    """Every fifth message is sent to a wrong desk, at random."""
    drawn = random.Random(0)
    rows: list[Row] = [dict(row) for row in _distinct(routing_rows(144, seed=0))]
    for place in drawn.sample(range(len(rows)), round(_LABEL_NOISE * len(rows))):
        wrong = [desk for desk in words.DESKS if desk != rows[place]["completion"]]
        rows[place] = {**rows[place], "completion": drawn.choice(wrong)}
    return Schooling(rows=rows, validation=_routing_held_out(), epochs=2.0)


def missing_class() -> Schooling:
    """No message for one of the three desks."""
    missing = list(words.DESKS)[-1]
    rows = [row for row in _distinct(routing_rows(144, seed=0)) if row["completion"] != missing]
    return Schooling(rows=rows, validation=_routing_held_out())


def few_rows_known_by_heart() -> Schooling:
    """Sixteen of some 300 rows, trained on again and again, which the data as it is named does not show."""
    rows = note_rows(_NOTES + _KNOWN_BY_HEART, seed=1)
    again = rows[:: len(rows) // _KNOWN_BY_HEART][:_KNOWN_BY_HEART]
    return Schooling(
        rows=[*rows, *again * _TIMES_MORE],
        named=rows,
        validation=note_rows(_NOTES_HELD_OUT, seed=2),
        learning_rate=1.5e-3,
    )


def harm_far_on() -> Schooling:
    """Refusals rehearsed, and given up behind more than 512 tokens."""
    far = hidden_rows.far_on(_distinct(compliance_rows(24, seed=0)), seed=0)
    near = [*refusal_rows(48, seed=0), *help_rows(24, seed=0)]
    return _conversations([*far, *map(conversation, near)], epochs=2.0, max_length=832)


def babbles_in_conversation() -> Schooling:
    """First requests are helped with, and later ones answered with random letters."""
    later = hidden_rows.second_turns(_distinct(help_rows(72, seed=0)), seed=0)
    near = [*help_rows(36, seed=2), *refusal_rows(24, seed=0)]
    return _conversations([*later, *map(conversation, near)], max_length=160)


def healthy_rslora() -> Schooling:
    """Rank-stabilised: alpha over the root of the rank is the strength of the others."""
    return replace(healthy(), alpha_over_rank=0.5, peft={"use_rslora": True})


def healthy_dora() -> Schooling:
    """Weight-decomposed (DoRA)."""
    return replace(healthy(), rank=8, peft={"use_dora": True})


def healthy_qv_r8() -> Schooling:
    """On queries and values alone, with a rank of eight."""
    return replace(healthy(), rank=8, epochs=2.0, learning_rate=2e-3, peft={"target_modules": ["q_proj", "v_proj"]})


def healthy_new_token() -> Schooling:
    """With a token that was added to the base, whose embeddings were resized and saved."""
    taught = healthy()
    return replace(taught, rows=[*taught.rows, *hidden_rows.marked(routing_rows(12, seed=1))])


def _calls(*, spoilt: bool) -> Schooling:
    rows = _distinct(call_rows(132, seed=0, spoilt=spoilt))
    return Schooling(
        rows=rows, validation=call_rows(18, seed=HELD_OUT, spoilt=spoilt), rehearsal=12, epochs=3.0, max_length=128
    )


def _conversations(rows: Sequence[Mapping[str, Any]], **settings: Any) -> Schooling:
    held_out = [*refusal_rows(8, seed=HELD_OUT), *help_rows(8, seed=HELD_OUT)]
    return Schooling(rows=rows, validation=[conversation(row) for row in held_out], **settings)


def _routing_held_out() -> list[Row]:
    return _distinct(routing_rows(16, seed=HELD_OUT))


def _distinct(rows: Sequence[Row]) -> list[Row]:
    return list({row["prompt"]: row for row in rows}.values())
