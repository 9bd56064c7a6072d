"""Keys that hide case, spacing and sentence punctuation only: what tells two questions apart stays."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.metrics.words import (
    _PLAIN,
    _WORD,
    _folded,
    bleu_tokenizer,
    canonical,
    exact_key,
    rouge_words,
    split_words,
    terms,
    word_count,
    words,
)

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


UNSPACED = {
    "chinese": ("今天天气很好", ["今", "天", "天", "气", "很", "好"], "zh"),
    "japanese": ("今日はテストー", ["今", "日", "は", "テ", "ス", "ト", "ー"], "char"),
    "thai": ("วันนี้ดี", ["วั", "น", "นี้", "ดี"], "char"),
    "lao": ("ມື້ນີ້ດີ", ["ມື້", "ນີ້", "ດີ"], "char"),
    "khmer": ("ភាសាខ្មែរ", ["ភា", "សា", "ខ្", "មែ", "រ"], "char"),
    "burmese": ("မြန်မာဘာသာ", ["မြ", "န်", "မာ", "ဘာ", "သာ"], "char"),
}


@pytest.mark.parametrize("script", UNSPACED)
def test_each_letter_of_a_script_without_spaces_is_a_word_with_its_marks(script: str) -> None:
    text, letters, tokenizer = UNSPACED[script]
    assert split_words(text) == rouge_words(text) == words(text) == letters
    assert split_words(f"{text} and x-2.") == [*letters, "and", "x-2."]
    assert bleu_tokenizer([text, "ok"]) == tokenizer


def test_marks_belong_to_the_word_they_stand_in() -> None:
    assert words("हिन्दी भाषा।") == terms("हिन्दी भाषा।") == rouge_words("हिन्दी भाषा।") == ["हिन्दी", "भाषा"]


def test_most_letters_decide_the_tokenizer_and_text_with_spaces_has_the_default() -> None:
    for texts in (["plain"], [], ["добрый день"], ["한국어 문장"], ["A long English text about 北京"]):
        assert bleu_tokenizer(texts) == "13a"


def test_a_word_of_another_script_weighs_as_much_as_a_character() -> None:
    assert bleu_tokenizer(["我用 Python 写 code。"]) == "zh"
    assert bleu_tokenizer(["ติดตั้ง transformers ก่อน"]) == "char"
    assert bleu_tokenizer(["Beijing (北京) is the capital of China"]) == "13a"


def test_words_of_spaced_scripts_are_the_same_found_fast_or_by_script() -> None:
    plain = [chr(code) for code in range(0x2C00) if _PLAIN.fullmatch(_folded(chr(code)))]
    assert len(plain) > 2500
    text = "".join(f"a{character}b {character} " for character in plain)
    assert words(text) == _WORD.findall(_folded(text))


def test_three_letters_of_thai_and_one_of_chinese_count_as_a_word() -> None:
    assert word_count(words("one two three")) == 3
    assert word_count(words("今天天气")) == 4
    assert word_count(words("วันนี้ดีมาก one")) == 2 + 1


def test_accents_quotes_and_invisible_characters_make_no_difference() -> None:
    assert canonical("cafe\u0301 \u201cit\u2019s\u201d \u2013 zero\u200bwidth") == 'caf\u00e9 "it\'s" - zerowidth'
    assert canonical("x\u00b2 \uff11") == "x\u00b2 \uff11"  # no compatibility forms: a square is no 2


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_ascii_is_divided_alike_alone_and_beside_other_letters(text: str) -> None:
    for divide in (split_words, rouge_words, words, terms):
        assert divide(f"{text} é") == [*divide(text), "é"]
