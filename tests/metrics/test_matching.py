"""Texts match as SQuAD's script has it, and the arguments of calls as JSON values, types included."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.metrics.matching import argument_f1, normalize_squad, same_arguments, same_value, token_f1


@pytest.mark.parametrize(
    ("given", "wanted", "same"),
    [
        (3, 3, True),
        ("3", 3, False),
        (True, 1, False),
        (1, True, False),
        (3.0, 3, False),
        (2, 2.0, True),
        (True, 1.0, False),
        (2.5, 2.5, True),
        ("Oslo", "oslo", False),
        (None, None, True),
        ([1, 2], [1, 2], True),
        ([2, 1], [1, 2], False),
        ([1.0], [1], False),
        ({"a": 1}, {"a": True}, False),
        ({"a": [1]}, {"a": [1]}, True),
    ],
)
def test_values_are_compared_with_their_types(given: Any, wanted: Any, same: bool) -> None:
    assert same_value(given, wanted) is same


def test_argument_f1_by_hand() -> None:
    assert argument_f1({}, {}) == 1.0
    assert argument_f1({}, {"a": 1}) == 0.0
    assert argument_f1({"a": 1, "b": 2}, {"a": 1}) == pytest.approx(2 / 3)
    assert argument_f1({"a": 1, "b": 2}, {"a": 1, "b": 3}) == pytest.approx(0.5)


def test_extra_and_missing_arguments_are_not_the_same_call() -> None:
    assert same_arguments({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert not same_arguments({"a": 1, "b": None}, {"a": 1})
    assert not same_arguments({}, {"a": 1})


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("The Cat, a dog!", "cat dog"),
        ("an  apple\n", "apple"),
        ("Theatre", "theatre"),
        ("U.S.", "us"),
        ("the", ""),
        ("\u201cCafe\u0301\u201d", "caf\u00e9"),
        ("it\u2019s", "its"),
        ("\u5317\u4eac\u3002", "\u5317\u4eac"),
        ("\u00abx\u00bb", "x"),
        ("5 \u20ac", "5 \u20ac"),
    ],
)
def test_squad_normalisation(text: str, plain: str) -> None:
    assert normalize_squad(text) == plain


@given(st.text())
def test_normalisation_is_idempotent_on_words(text: str) -> None:
    once = normalize_squad(text)
    assert once == " ".join(once.split())


@pytest.mark.parametrize(
    ("given_text", "gold", "f1"),
    [
        ("a b", "b c", 0.5),
        ("x x", "x", 2 / 3),
        ("", "", 1.0),
        ("", "x", 0.0),
        ("x", "y", 0.0),
        ("今天天气很好", "今天天气不错", 4 / 6),
        ("あめ です", "あめ", 2 / 3),
        ("วันนี้", "วัน", 4 / 5),
        ("北京 yes", "北京", 4 / 5),
    ],
)
def test_token_f1(given_text: str, gold: str, f1: float) -> None:
    assert token_f1(given_text, gold) == pytest.approx(f1)


@given(st.text(alphabet="ab "), st.text(alphabet="ab "))
def test_token_f1_is_symmetric_and_bounded(first: str, second: str) -> None:
    assert 0 <= token_f1(first, second) == token_f1(second, first) <= 1
