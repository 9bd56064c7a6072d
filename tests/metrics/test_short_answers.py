"""Normalisation and token F1 follow the SQuAD script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.metrics.matching import normalize_squad, token_f1


@pytest.mark.parametrize(
    ("text", "plain"),
    [("The Cat, a dog!", "cat dog"), ("an  apple\n", "apple"), ("Theatre", "theatre"), ("U.S.", "us"), ("the", "")],
)
def test_squad_normalisation(text: str, plain: str) -> None:
    assert normalize_squad(text) == plain


@given(st.text())
def test_normalisation_is_idempotent_on_words(text: str) -> None:
    once = normalize_squad(text)
    assert once == " ".join(once.split())


@pytest.mark.parametrize(
    ("given_text", "gold", "f1"),
    [("a b", "b c", 0.5), ("x x", "x", 2 / 3), ("", "", 1.0), ("", "x", 0.0), ("x", "y", 0.0)],
)
def test_token_f1(given_text: str, gold: str, f1: float) -> None:
    assert token_f1(given_text, gold) == pytest.approx(f1)


@given(st.text(alphabet="ab "), st.text(alphabet="ab "))
def test_token_f1_is_symmetric_and_bounded(first: str, second: str) -> None:
    assert 0 <= token_f1(first, second) == token_f1(second, first) <= 1
