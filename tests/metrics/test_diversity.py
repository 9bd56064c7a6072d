from __future__ import annotations

import pytest

from harness.metrics.diversity import compression_ratio, distinct, self_bleu


def test_distinct_counts_different_word_pairs_over_all_texts_with_their_ends() -> None:
    assert distinct(["a b", "a b"], 2) == 2 / 4  # (a, b) and (b, end), twice
    assert distinct(["a b", "c d"], 2) == 1.0
    assert distinct(["yes", "no", "yes", "yes"], 2) == 2 / 4
    assert distinct(["", ""], 2) == 0.0


def test_self_bleu_is_one_for_equal_texts_and_near_zero_for_unlike_ones() -> None:
    assert self_bleu(["the cat sat on the mat today"] * 3) == 1.0
    assert self_bleu(["the cat sat on the mat today", "eleven grey ships left before sunrise"]) < 0.1
    with pytest.raises(ValueError, match="two texts"):
        self_bleu(["alone"])


def test_repetitive_texts_compress_better() -> None:
    assert compression_ratio(["over and over"] * 30) > 5 > 2 > compression_ratio(["one short text without echo"])


def test_answers_of_a_script_without_spaces_are_compared_by_their_letters() -> None:
    alike, unlike = ["今天天气很好我们去公园", "今天天气很好我们去海边"], ["今天天气很好", "请把文件发给经理"]
    assert distinct(alike, 2) < 0.75 < distinct(unlike, 2)
    assert self_bleu(alike) > 0.5 > self_bleu(unlike)
