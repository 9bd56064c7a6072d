"""Keys that hide case, spacing and sentence punctuation only: what tells two questions apart stays."""

from __future__ import annotations

import time

import pytest

from harness.checks.data.words import exact_key, terms, words

APART = [
    ("What is C++?", "What is C#?"),
    ("Compute 10 - 0.", "Compute 10 + 0."),
    ("What is |-5|?", "What is |5|?"),
    ("x = a[b]", "x = a(b)"),
    ("Round 3.14", "Round 3, 14"),
    ("\U0001f600", "\U0001f389"),
]
ALIKE = [
    ("Which team, please?", "which  team\nplease"),
    ("Really?! Yes.", "really yes"),
    ("Amber\u200b birch \u2013 x", "amber birch - x"),
    ("\uff37\uff48\uff41\uff54\uff1f", "what"),
    ("caf\u00e9", "cafe\u0301"),
]


@pytest.mark.parametrize(("one", "other"), APART)
def test_symbols_brackets_and_decimals_tell_texts_apart(one: str, other: str) -> None:
    assert exact_key(one) != exact_key(other)
    assert terms(one) != terms(other)


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_case_spacing_and_sentence_punctuation_hide_no_copy(one: str, other: str) -> None:
    assert exact_key(one) == exact_key(other)
    assert terms(one) == terms(other)


def test_a_factorial_is_no_exclamation_and_marks_alone_are_kept() -> None:
    assert exact_key("Simplify 4! / (n+1)!.") == "simplify 4! / (n+1)!"
    assert exact_key("In room 12, hello!") == "in room 12 hello"
    assert exact_key("?! ... !") == "?! ... !"
    assert exact_key(" \n") == ""


def test_each_chinese_or_japanese_character_is_a_word() -> None:
    assert words("\u5317\u4eac ist ab\u54ea c\u3042") == ["\u5317", "\u4eac", "ist", "ab", "\u54ea", "c", "\u3042"]


def test_long_runs_of_marks_take_no_longer_than_words() -> None:
    started = time.process_time()
    for text in ("." * 100_000 + "x", "a)" * 50_000, "!" * 100_000):
        exact_key(text)
        terms(text)
    assert time.process_time() - started < 5
