"""Rows longer than max_length, and those whose answer is cut off entirely, are counted in the base's own tokens."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks import data
from harness.checks.data.lengths import RowLength, TokenLengths
from harness.errors import RecipeError
from harness.models.loading import load_tokenizer

ROWS = [(f"the fox sings {i}", "a bird") for i in range(19)]


@pytest.fixture(scope="module")
def tokenizer(tiny_model_dir: Path):
    return load_tokenizer(tiny_model_dir)


def test_rows_that_fit_pass_and_the_details_hold_a_histogram(corpus, tokenizer):
    lengths = data.token_lengths(corpus(ROWS), tokenizer, 64)
    assert data.rows_fit(lengths, 0.0).decide().outcome == "pass"
    assert data.answers_are_seen(lengths).decide().outcome == "pass"
    histogram = data.rows_fit(lengths, 0.0).details["histogram"]
    assert sum(one["rows"] for one in histogram) == 19


def test_a_long_answer_is_cut_and_a_long_prompt_hides_its_answer(corpus, tokenizer):
    long = "the quick brown fox jumps " * 30
    lengths = data.token_lengths(corpus([*ROWS, ("say it", long), (long, "a bird")]), tokenizer, 64)
    cut = data.rows_fit(lengths, 0.05).decide()
    assert cut.outcome == "fail"
    assert "2 of 21 rows" in cut.reason
    assert "train.jsonl row 20" in cut.reason
    assert f"set trainer.max_length to {cut.details['longest_tokens']}" in cut.remedy
    masked = data.answers_are_seen(lengths).decide()
    assert masked.outcome == "fail"
    assert "train.jsonl row 21: the prompt alone has" in masked.reason
    assert masked.details["found"] == 1


def test_without_max_length_nothing_is_cut(corpus, tokenizer):
    lengths = data.token_lengths(corpus([("say it", "the quick brown fox " * 400)]), tokenizer, None)
    assert data.rows_fit(lengths, 0.0).holds
    assert data.answers_are_seen(lengths).holds


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=50))
def test_the_histogram_counts_every_row_once(tokens: list[int]):
    histogram = TokenLengths([RowLength("r", 0, n) for n in tokens], None).histogram()
    assert sum(int(one["rows"]) for one in histogram) == len(tokens)
    assert len(histogram) <= 10
    assert int(str(histogram[-1]["tokens"]).split("-")[0]) <= max(tokens)


def test_a_base_without_a_chat_template_is_told_as_such(corpus, tokenizer):
    bare = copy.copy(tokenizer)
    bare.chat_template = None
    with pytest.raises(RecipeError, match="no chat template"):
        data.token_lengths(corpus(ROWS), bare, 64)


def test_a_conversation_is_measured_as_it_is_trained_on(corpus, tokenizer):
    said = [("user", "hello"), ("assistant", "a bird"), ("user", "sing"), ("assistant", "the fox")]
    row = {"messages": [{"role": role, "content": content} for role, content in said]}
    (length,) = data.token_lengths(corpus([row]), tokenizer, 64).rows
    (short,) = data.token_lengths(corpus([("hello", "a bird")]), tokenizer, 64).rows
    assert length.prompt_tokens == short.prompt_tokens
    assert length.tokens > short.tokens


def test_what_the_template_would_lose_is_named_with_row_and_field(corpus, tokenizer):
    tool = {"type": "function", "function": {"name": "find", "parameters": {}}}
    rows = [("q", "a"), {"prompt": "q", "completion": "a", "tools": [tool]}]
    rows.append({"prompt": "q", "completion": "a", "thinking": "b"})
    lengths = data.token_lengths(corpus(rows), tokenizer, 64)
    check = data.rows_can_be_rendered(lengths)
    assert check.decide().outcome == "fail"
    assert "2 of 3 rows" in check.reason
    assert "row 2: field 'tools' would be lost: the base's chat template renders no tools" in check.reason
    assert "row 3: field 'thinking' of turn 2 would not be trained on" in check.reason
    assert len(lengths.rows) == 1
    assert data.rows_can_be_rendered(data.token_lengths(corpus([("q", "a")]), tokenizer, 64)).holds
