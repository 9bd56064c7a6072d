"""The rows of a recipe as its model reads them, for people: what is learnt stands between marks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from harness.training.prepared import prepare_rows
from harness.training.recipe import Recipe
from harness.training.rows import IGNORED_LABEL, AnswerRow, PromptRow, TokenRow

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BEGIN, END = "[[", "]]"
GENERATED = "what the model itself answers, before it is trained"
_ANSWERS = {True: "wanted", False: "not wanted", None: "better"}


def shown_rows(recipe: Recipe, tokenizer: PreTrainedTokenizerBase, count: int) -> Iterator[str]:
    """The first training rows, special tokens and all, cut as they are cut.

    Raises:
        RecipeError, DataError: as `prepare_rows`.
    """
    rows = prepare_rows(recipe, tokenizer).trained
    for number, row in enumerate(rows[:count], 1):
        yield f"row {number} of {len(rows)}, {row.tokens} tokens"
        yield from _shown(row, tokenizer)
        if recipe.how.rows == "pairs" and isinstance(row, TokenRow):
            yield f"worse: {GENERATED}"


def _shown(row: TokenRow | AnswerRow | PromptRow, tokenizer: PreTrainedTokenizerBase) -> Iterator[str]:
    if isinstance(row, TokenRow):
        learnt = groupby(zip(row.input_ids, row.labels, strict=True), key=lambda pair: pair[1] != IGNORED_LABEL)
        parts = ((tokenizer.decode([token for token, _ in pairs]), is_learnt) for is_learnt, pairs in learnt)
        yield "".join(f"{BEGIN}{text}{END}" if is_learnt else text for text, is_learnt in parts)
        return
    yield tokenizer.decode(row.input_ids)
    if isinstance(row, AnswerRow):
        for place, answer in enumerate(row.answers):
            name = "worse" if place else _ANSWERS[row.wanted]
            yield f"{name}: {BEGIN}{tokenizer.decode(answer)}{END}"
