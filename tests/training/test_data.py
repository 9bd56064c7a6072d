from __future__ import annotations

import copy
import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any, Literal

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from harness.engines.requests import Message
from harness.errors import DataError, RecipeError
from harness.tasks.conversations import Conversation
from harness.tasks.formats import Example
from harness.training import Recipe
from harness.training.data import (
    IGNORED_LABEL,
    TokenRow,
    tokenize_example,
    tokenize_examples,
    tokenize_rehearsal,
)
from harness.training.drawing import drawn_examples, load_examples
from harness.training.recipe_data import DataFile, RecipeData


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


def test_files_are_mixed_by_their_weights_and_held_out_rows_are_in_no_part_trained_on(make_recipe) -> None:  # type: ignore[no-untyped-def]
    files = [{"path": "train.jsonl", "weight": 2.5}, {"path": "validation.jsonl", "weight": 0.5}]
    recipe: Recipe = make_recipe(data={"train": files, "split": 0.2, "seed": 1})
    train, held_out = load_examples(recipe)
    kept, seen = (
        [len(part.examples) for part in drawn_examples(recipe) if part.role == "train"],
        Counter(example.completion + example.prompt[-1].content for example in train),
    )
    assert (sum(kept), len(held_out)) == (16, 4)
    assert sum(seen.values()) == 2 * kept[0] + round(kept[0] / 2) + round(kept[1] / 2)
    assert not seen.keys() & {one.completion + one.prompt[-1].content for one in held_out}
    assert [example.row for example in load_examples(recipe)[0]] == [example.row for example in train]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"train": []}, "train is an empty list"),
        ({"train": [{"path": "a.jsonl", "weight": 0}]}, "data.train.0.weight is 0"),
        ({"train": [{"path": "a.jsonl", "wieght": 1}]}, "data.train.0: unknown key 'wieght'"),
        ({"train": {"path": "a.jsonl"}, "validation": {"path": "a.jsonl", "weight": 2}}, "each row is judged on once"),
        ({"train": {"path": "a.jsonl", "rejected": "generated"}}, "data.train.rejected is of pairs, and method sft"),
    ],
)
def test_a_mixture_that_cannot_be_is_refused(make_recipe, data: dict[str, object], said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(RecipeError) as error:
        make_recipe(data=data)
    assert said in str(error.value)


def test_a_malformed_row_is_named(make_recipe) -> None:  # type: ignore[no-untyped-def]
    recipe: Recipe = make_recipe()
    path = recipe.resolve(recipe.data.train)
    path.write_text(json.dumps({"prompt": "a", "completion": "b"}) + "\n{broken\n", encoding="utf-8")
    with pytest.raises(DataError, match="2"):
        load_examples(recipe)


SAID = ("hi", "yes", "Rome?", "no", "again", "hello")
TOOLS = '[{"type": "function", "function": {"name": "find"}}]'
LLAMA = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n\n{{ m['content'] | trim }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n\n{% endif %}"
)
MISTRAL = (
    "{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
    "{% else %} {{ m['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)
GEMMA = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] | trim }}[end]\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
# as Qwen 3: the reasoning of the last answer is rendered, that of earlier ones left out
QWEN = (
    "{% for t in tools or [] %}{{ t | tojson }}\n{% endfor %}{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m.reasoning_content and loop.last %}<think>\n{{ m.reasoning_content }}\n</think>\n\n{% endif %}"
    "{{ m['content'] }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def conversation(*, reasoning: str = "", **more: Any) -> Example:
    turns = [
        Message("assistant", text, reasoning) if place % 2 else Message("user", text) for place, text in enumerate(SAID)
    ]
    return Example(Conversation(tuple(turns), (1, 3, 5), **more), row=1, fields={"reasoning_content": reasoning})


def with_template(tokenizer: PreTrainedTokenizerBase, template: str | None) -> PreTrainedTokenizerBase:
    other = copy.copy(tokenizer)
    other.chat_template = template or tokenizer.chat_template
    return other


def learnt(row: TokenRow, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The runs of labelled tokens, each of which must stand where it is read."""
    runs: list[list[int]] = []
    for place, (token, label) in enumerate(zip(row.input_ids, row.labels, strict=True)):
        if label == IGNORED_LABEL:
            continue
        assert label == token
        if not place or row.labels[place - 1] == IGNORED_LABEL:
            runs.append([])
        runs[-1].append(token)
    return [tokenizer.decode(run) for run in runs]


@pytest.mark.parametrize(
    ("template", "rows"),
    [
        pytest.param(None, 1, id="chatml"),
        pytest.param(LLAMA, 1, id="llama"),
        pytest.param(QWEN, 1, id="qwen"),
        pytest.param(MISTRAL, 3, id="mistral"),
        pytest.param(GEMMA, 3, id="gemma"),
    ],
)
def test_each_answer_is_learnt_after_the_very_tokens_of_inference(
    tokenizer: PreTrainedTokenizerBase, template: str | None, rows: int
) -> None:
    """In one row where the template goes on as it began, else in a row of its own."""
    other = with_template(tokenizer, template)
    made = tokenize_example(conversation(), other)
    assert len(made) == rows
    assert [text for row in made for text in learnt(row, other)] == [f"{said}{other.eos_token}" for said in SAID[1::2]]
    messages = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(SAID)]
    for place in (1, 3, 5):
        prompt = other.apply_chat_template(messages[:place], add_generation_prompt=True, return_dict=False)
        row = made[0] if rows == 1 else made[place // 2]
        assert list(row.input_ids[: len(prompt)]) == prompt
        assert row.labels[len(prompt) - 1] == IGNORED_LABEL != row.labels[len(prompt)]


def test_reasoning_is_learnt_as_the_template_writes_it_and_left_out_of_later_prompts(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    qwen = with_template(tokenizer, QWEN)
    rows = tokenize_example(conversation(reasoning="so"), qwen)
    assert [learnt(row, qwen) for row in rows] == [
        [f"<think>\nso\n</think>\n\n{said}<|im_end|>"] for said in SAID[1::2]
    ]
    assert "think" not in qwen.decode(rows[-1].input_ids[: rows[-1].labels.count(IGNORED_LABEL)])


def test_what_the_template_would_lose_is_an_error_that_names_the_row(tokenizer: PreTrainedTokenizerBase) -> None:
    lost = {"reasoning_content": conversation(reasoning="so"), "tools": conversation(tools=TOOLS)}
    for field, one in lost.items():
        with pytest.raises(DataError, match=f"training row 1: field '{field}'"):
            tokenize_examples([one], tokenizer, None, name="training")
    gemma = with_template(tokenizer, GEMMA)
    of_system = Example(Conversation.answered((Message("system", "a"), Message("user", "b")), "c"), row=7, fields={})
    with pytest.raises(DataError, match=r"training row 7: the chat template refuses roles .*System role not supported"):
        tokenize_examples([of_system], gemma, None, name="training")


def test_tools_are_rendered_by_the_template(tokenizer: PreTrainedTokenizerBase) -> None:
    qwen = with_template(tokenizer, QWEN)
    (row,) = tokenize_example(conversation(tools=TOOLS), qwen)
    assert qwen.decode(row.input_ids).startswith('{"type": "function"')
    assert row.labels[0] == IGNORED_LABEL


def test_a_developer_is_a_system_turn_to_templates_that_know_none(tokenizer: PreTrainedTokenizerBase) -> None:
    asked = (Message("developer", "Be brief."), Message("user", "hi"))
    (row,) = tokenize_example(Example(Conversation.answered(asked, "yes"), row=1, fields={}), tokenizer)
    assert tokenizer.decode(row.input_ids).startswith("<|im_start|>system\nBe brief.")
    knowing = with_template(tokenizer, f"{{# developer #}}{tokenizer.chat_template}")
    (row,) = tokenize_example(Example(Conversation.answered(asked, "yes"), row=1, fields={}), knowing)
    assert knowing.decode(row.input_ids).startswith("<|im_start|>developer")


@pytest.mark.parametrize(("train_on", "places"), [("all", (1, 3)), ("last", (3,))])
def test_a_recipe_says_which_answers_are_learnt(
    tmp_path: Path, train_on: Literal["all", "last"], places: tuple[int, ...]
) -> None:
    turns = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(SAID[:4])]
    (tmp_path / "rows.jsonl").write_text(json.dumps({"messages": turns}), encoding="utf-8")
    data = RecipeData(train=DataFile(path="rows.jsonl"), train_on=train_on)
    examples, _ = load_examples(Recipe(name="mine", base="b", data=data, root=tmp_path))
    assert examples[0].conversation.learnt == places
