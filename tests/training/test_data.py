from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from harness.engines.requests import Message
from harness.errors import DataError, RecipeError
from harness.tasks.conversations import Conversation
from harness.tasks.formats import Example
from harness.training import Recipe
from harness.training.data import IGNORED_LABEL, load_examples, tokenize_examples, tokenize_rehearsal


@pytest.fixture(scope="module")
def tokenizer(tiny_model_dir: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(tiny_model_dir)


def example(completion: str, prompt: str = "hi") -> Example:
    return Example(Conversation.answered((Message("user", prompt),), completion), row=1, fields={})


def test_prompt_is_the_bases_template_and_only_the_completion_is_labelled(tokenizer: PreTrainedTokenizerBase) -> None:
    row = tokenize_examples([example("get_weather Rome")], tokenizer, None, name="training").rows[0]
    prompt_length = sum(label == IGNORED_LABEL for label in row.labels)
    rendered = tokenizer.apply_chat_template(
        [{"role": "user", "content": "hi"}], tokenize=False, add_generation_prompt=True
    )
    assert tokenizer.decode(row.input_ids[:prompt_length]) == rendered
    assert row.labels[prompt_length:] == row.input_ids[prompt_length:]
    assert tokenizer.decode(row.input_ids[prompt_length:]) == "get_weather Rome" + tokenizer.eos_token


@pytest.mark.parametrize("completion", ["yes", "yes<|im_end|>", "yes<|im_end|>\n", "yes\n"])
def test_completion_ends_in_eos_exactly_once(tokenizer: PreTrainedTokenizerBase, completion: str) -> None:
    row = tokenize_examples([example(completion)], tokenizer, None, name="training").rows[0]
    labels = [label for label in row.labels if label != IGNORED_LABEL]
    assert labels.count(tokenizer.eos_token_id) == 1
    assert labels[-1] == tokenizer.eos_token_id


def test_a_few_long_rows_are_cut_counted_and_warned_of(
    tokenizer: PreTrainedTokenizerBase, caplog: pytest.LogCaptureFixture
) -> None:
    short = [example("yes")] * 19
    limit = len(tokenize_examples(short, tokenizer, None, name="training").rows[0].input_ids)
    with caplog.at_level(logging.WARNING):
        rows = tokenize_examples([*short, example("yes " * 50)], tokenizer, limit, name="training")
    assert (rows.truncated, rows.dropped) == (1, 0)
    assert max(len(row.input_ids) for row in rows.rows) == limit < rows.longest_tokens
    assert f"1 of 20 training rows are longer than max_length {limit}" in caplog.text


def test_a_row_whose_prompt_fills_max_length_is_dropped(tokenizer: PreTrainedTokenizerBase) -> None:
    rows = tokenize_examples([example("yes")] * 19 + [example("yes", "word " * 99)], tokenizer, 90, name="training")
    assert (len(rows.rows), rows.truncated, rows.dropped) == (19, 1, 1)


def test_many_long_rows_are_an_error(tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(RecipeError, match=r"3 of 3 training rows are longer than max_length 5"):
        tokenize_examples([example("yes")] * 3, tokenizer, 5, name="training")


def test_rehearsal_rows_are_cut_where_the_base_had_not_stopped(
    tokenizer: PreTrainedTokenizerBase, caplog: pytest.LogCaptureFixture
) -> None:
    whole = tokenize_rehearsal([example("yes yes")], tokenizer, None)[0]
    with caplog.at_level(logging.WARNING):
        rows = tokenize_rehearsal([example("yes yes"), example("yes " * 50)], tokenizer, len(whole.input_ids))
    assert rows[0] == whole
    assert whole.labels[-1] == tokenizer.eos_token_id
    assert len(rows[1].input_ids) == len(whole.input_ids)
    assert tokenizer.eos_token_id not in rows[1].labels
    assert not caplog.text


def test_a_tokenizer_without_chat_template_is_refused(tiny_model_dir: Path) -> None:
    plain = AutoTokenizer.from_pretrained(tiny_model_dir)
    plain.chat_template = None
    with pytest.raises(RecipeError, match="no chat template"):
        tokenize_examples([example("yes")], plain, None, name="training")


def test_split_holds_rows_out_reproducibly_and_loses_none(make_recipe) -> None:  # type: ignore[no-untyped-def]
    recipe: Recipe = make_recipe(data={"train": {"path": "train.jsonl"}, "split": 0.25, "seed": 5})
    train, held_out = load_examples(recipe)
    assert (len(train), len(held_out)) == (12, 4)
    assert sorted(e.row for e in train + held_out) == list(range(1, 17))
    assert [e.row for e in load_examples(recipe)[1]] == [e.row for e in held_out]


def test_limit_draws_rows_by_the_data_seed(make_recipe) -> None:  # type: ignore[no-untyped-def]
    data = {"train": {"path": "train.jsonl", "limit": 6}, "validation": {"path": "validation.jsonl"}}
    drawn = [[e.row for e in load_examples(make_recipe(data=data | {"seed": seed}))[0]] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] == sorted(drawn[0])
    assert drawn[0] != drawn[2]
    assert len(drawn[0]) == 6


def test_a_malformed_row_is_named(make_recipe) -> None:  # type: ignore[no-untyped-def]
    recipe: Recipe = make_recipe()
    path = recipe.resolve(recipe.data.train)
    path.write_text(json.dumps({"prompt": "a", "completion": "b"}) + "\n{broken\n", encoding="utf-8")
    with pytest.raises(DataError, match="2"):
        load_examples(recipe)
