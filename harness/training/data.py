"""From data rows to token rows: the prompt by the base's own template, the loss on the completion and its EOS."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import RecipeError
from harness.tasks.formats import Example, read_examples
from harness.training.recipe import DataFile, Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_log = logging.getLogger(__name__)

IGNORED_LABEL = -100
MAX_TRUNCATED_SHARE = 0.1


@dataclass(frozen=True)
class TokenRow:
    """One training row. `labels` equals `input_ids` on the completion and is -100 on the prompt."""

    input_ids: tuple[int, ...]
    labels: tuple[int, ...]

    @property
    def has_label(self) -> bool:
        """Whether anything of the completion is there."""
        return any(label != IGNORED_LABEL for label in self.labels)


@dataclass(frozen=True)
class TokenRows:
    """Rows ready for the trainer.

    Attributes:
        truncated: rows cut at max_length; they lost their EOS.
        dropped: rows whose prompt alone filled max_length; not in `rows`.
        longest_tokens: length of the longest row before cutting.
    """

    rows: tuple[TokenRow, ...]
    truncated: int
    dropped: int
    longest_tokens: int


def load_examples(recipe: Recipe) -> tuple[list[Example], list[Example]]:
    """Training and validation examples; the second is empty where the recipe asks for none."""
    data = recipe.data
    train = _read(recipe, data.train)
    if data.validation is not None:
        return train, _read(recipe, data.validation)
    if data.split is None:
        return train, []
    held_out = max(1, round(len(train) * data.split))
    if held_out >= len(train):
        raise RecipeError(
            f"recipe {recipe.name!r}: data.split {data.split} of {len(train)} rows leaves none to train on",
            "lower data.split or add rows",
        )
    chosen = set(random.Random(data.seed).sample(range(len(train)), held_out))
    kept = [example for i, example in enumerate(train) if i not in chosen]
    return kept, [train[i] for i in sorted(chosen)]


def load_rehearsal(recipe: Recipe) -> list[Example]:
    """Examples of what the base could do before, to be mixed in; empty where the recipe asks for none."""
    return _read(recipe, recipe.data.rehearsal) if recipe.data.rehearsal is not None else []


def tokenize_rehearsal(
    examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, max_length: int | None
) -> tuple[TokenRow, ...]:
    """Token rows of rehearsal.

    A long answer is cut without harm: its end is missing just where the base had not stopped.
    """
    rows = (_cut(tokenize_example(example, tokenizer), max_length) for example in examples)
    return tuple(row for row in rows if row.has_label)


def tokenize_examples(
    examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, max_length: int | None, *, name: str
) -> TokenRows:
    """Tokenise for completion-only loss.

    Prompt and completion are tokenised apart, so the prompt's tokens are those of inference whatever the
    completion starts with. The completion ends in the tokenizer's EOS exactly once, and that EOS is a label even where
    padding uses the same token.

    Args:
        max_length: tokens; longer rows are cut at the end. None cuts nothing.
        name: "training" or "validation", for messages.

    Raises:
        RecipeError: the tokenizer has no chat template or EOS, or more than a tenth of the rows are too long.
    """
    check_tokenizer(tokenizer)
    full = [tokenize_example(example, tokenizer) for example in examples]
    cut = [_cut(row, max_length) for row in full]
    kept = tuple(row for row in cut if row.has_label)
    rows = TokenRows(
        rows=kept,
        truncated=sum(len(a.input_ids) > len(b.input_ids) for a, b in zip(full, cut, strict=True)),
        dropped=len(cut) - len(kept),
        longest_tokens=max((len(row.input_ids) for row in full), default=0),
    )
    _report_truncation(rows, len(full), max_length, name)
    return rows


def _read(recipe: Recipe, file: DataFile) -> list[Example]:
    examples = read_examples(recipe.resolve(file), file.format)
    if file.limit is None or file.limit >= len(examples):
        return examples
    drawn = random.Random(recipe.data.seed).sample(range(len(examples)), file.limit)
    return [examples[i] for i in sorted(drawn)]


def check_tokenizer(tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse a tokenizer that cannot render a conversation or end an answer."""
    if not tokenizer.chat_template or tokenizer.eos_token_id is None:
        missing = "EOS token" if tokenizer.chat_template else "chat template"
        raise RecipeError(f"the base's tokenizer has no {missing}", "choose a chat (instruct) model as base")


def tokenize_example(example: Example, tokenizer: PreTrainedTokenizerBase) -> TokenRow:
    """One row, uncut: the prompt by the base's template, the completion with one EOS at its end."""
    messages = [{"role": m.role, "content": m.content} for m in example.prompt]
    prompt_text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    prompt = tokenizer(prompt_text, add_special_tokens=False)["input_ids"]
    answer_text = example.completion.rstrip().removesuffix(str(tokenizer.eos_token))
    answer = [*tokenizer(answer_text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    return TokenRow((*prompt, *answer), (*[IGNORED_LABEL] * len(prompt), *answer))


def _cut(row: TokenRow, max_length: int | None) -> TokenRow:
    return TokenRow(row.input_ids[:max_length], row.labels[:max_length])


def _report_truncation(rows: TokenRows, total: int, max_length: int | None, name: str) -> None:
    if not rows.truncated:
        return
    problem = (
        f"{rows.truncated} of {total} {name} rows are longer than max_length {max_length} "
        f"(longest: {rows.longest_tokens} tokens); a cut row teaches the model not to stop"
    )
    remedy = f"set trainer.max_length to {rows.longest_tokens}, or shorten the rows"
    if rows.truncated > MAX_TRUNCATED_SHARE * total:
        raise RecipeError(problem, remedy)
    _log.warning("%s; %s", problem, remedy)
