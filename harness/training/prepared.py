"""A recipe's rows as its trainer takes them: read, tokenised, numbered, and put into columns."""

from __future__ import annotations

import logging
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.tasks.formats import Example
from harness.training.configs import max_length_tokens
from harness.training.data import TokenRows, prompt_rows, tokenize_examples, tokenize_rehearsal
from harness.training.drawing import of_role, weighed_examples
from harness.training.log import TRAINED, VALIDATION
from harness.training.methods import TrlMethod
from harness.training.recipe import Recipe
from harness.training.rows import AnswerRow, TokenRow
from harness.training.self_play import SelfPlay, paired

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """Rows in tokens, and the examples that they were made of."""

    train: TokenRows[Any]
    rehearsal: Sequence[Any]
    validation: TokenRows[Any] | None
    examples: Sequence[Example]

    @property
    def trained(self) -> Sequence[Any]:
        """All rows that are trained on."""
        return (*self.train.rows, *self.rehearsal)

    @property
    def answer_tokens(self) -> float | None:
        """Mean length of the answers that are to become likelier than others; None where rows have none to weigh."""
        weighed = [row for row in self.train.rows if isinstance(row, AnswerRow) and row.wanted is not False]
        return statistics.fmean(len(row.answers[0]) for row in weighed) if weighed else None


def prepare_rows(recipe: Recipe, tokenizer: PreTrainedTokenizerBase, self_play: SelfPlay | None = None) -> Prepared:
    """What a recipe trains and is judged on, as its trainer takes it.

    Args:
        self_play: gives the worse answers of pairs that the model itself is to give; without it such pairs are left out.

    Raises:
        RecipeError, DataError: as `weighed_examples` and `tokenize_examples`.
    """
    drawn = weighed_examples(recipe)
    examples, held_out = (paired(recipe, of_role(drawn, role), self_play) for role in ("train", "validation"))
    if lost := sorted(frozenset().union(*(example.lost for example in examples))):
        _log.warning("recipe %s: not used though they change what is learnt: %s", recipe.name, ", ".join(lost))
    max_length = max_length_tokens(recipe)
    train = tokenize_examples(examples, tokenizer, max_length, name="training")
    rehearsal = tokenize_rehearsal(of_role(drawn, "rehearsal"), tokenizer, max_length)
    validation = tokenize_examples(held_out, tokenizer, max_length, name="validation") if held_out else None
    if recipe.by_trl.rows == "prompts":
        train = replace(train, rows=prompt_rows(train.rows, tokenizer, recipe.by_trl, first=0))
        validation = validation and replace(
            validation, rows=prompt_rows(validation.rows, tokenizer, recipe.by_trl, first=len(examples))
        )
    if recipe.learns_prompts:
        train, rehearsal = replace(train, rows=_learnt_whole(train.rows)), _learnt_whole(rehearsal)
        validation = validation and replace(validation, rows=_learnt_whole(validation.rows))
    return Prepared(train, rehearsal, validation, (*examples, *held_out))


def _learnt_whole(rows: Sequence[TokenRow]) -> tuple[TokenRow, ...]:
    return tuple(TokenRow(row.input_ids, row.input_ids) for row in rows)


def dataset_of(method: TrlMethod, rows: Sequence[Any]) -> Dataset:
    """Rows in the columns of the method's trainer."""
    from datasets import Dataset

    return Dataset.from_dict(method.columns(rows))


def evaluated_on(recipe: Recipe, data: Prepared) -> Dataset | dict[str, Dataset] | None:
    """What checkpoints are judged on; beside it, where the running loss is not of the training rows alone, some of them."""
    if data.validation is None:
        return None
    held_out, train = data.validation.rows, data.train.rows
    if recipe.data.rehearsal is None:
        return dataset_of(recipe.by_trl, held_out)
    some = random.Random(recipe.data.seed).sample(train, min(len(held_out), len(train)))
    return {VALIDATION: dataset_of(recipe.by_trl, held_out), TRAINED: dataset_of(recipe.by_trl, some)}
