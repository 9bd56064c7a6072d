"""From data rows to rows in tokens: prompts by the base's own template, answers as the model is to write them, with their EOS."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic

from harness.engines.rendering import REASONING_KEYS, prompt_tokens, render_chat, render_text
from harness.errors import DataError, ModelError, RecipeError, show
from harness.tasks.conversations import Conversation
from harness.tasks.formats import Example
from harness.training.methods import TrlMethod
from harness.training.rows import IGNORED_LABEL, AnswerRow, PromptRow, Row, TokenRow

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_log = logging.getLogger(__name__)

MAX_TRUNCATED_SHARE = 0.1


@dataclass(frozen=True)
class TokenRows(Generic[Row]):
    """Rows ready for the trainer.

    Attributes:
        truncated: rows cut at max_length; they lost their EOS.
        dropped: rows whose prompt alone filled max_length; not in `rows`.
        longest_tokens: length of the longest row before cutting.
    """

    rows: tuple[Row, ...]
    truncated: int
    dropped: int
    longest_tokens: int


def tokenize_rehearsal(
    examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, max_length: int | None
) -> tuple[Any, ...]:
    """Token rows of rehearsal.

    A long answer is cut without harm: its end is missing just where the base had not stopped.
    """
    rows = (row.cut(max_length) for row in _tokenize(examples, tokenizer, max_length, "rehearsal"))
    return tuple(row for row in rows if row.has_label)


def tokenize_examples(
    examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, max_length: int | None, *, name: str
) -> TokenRows[Any]:
    """Tokenise as the rows of the recipe's method are (`rows_of_example`).

    Args:
        max_length: tokens; longer rows are cut at the end. None cuts nothing.
        name: "training" or "validation", for messages.

    Raises:
        RecipeError: the tokenizer has no chat template or EOS, or more than a tenth of the rows are too long.
        DataError: the base's template cannot render a row, or would lose a part of it.
    """
    check_tokenizer(tokenizer, examples)
    full = _tokenize(examples, tokenizer, max_length, name)
    cut = [row.cut(max_length) for row in full]
    kept = tuple(row for row in cut if row.has_label)
    rows = TokenRows(
        rows=kept,
        truncated=sum(a.tokens > b.tokens for a, b in zip(full, cut, strict=True)),
        dropped=len(cut) - len(kept),
        longest_tokens=max((row.tokens for row in full), default=0),
    )
    _report_truncation(rows, len(full), max_length, name)
    return rows


def prompt_rows(
    rows: Sequence[PromptRow], tokenizer: PreTrainedTokenizerBase, method: TrlMethod, *, first: int
) -> tuple[PromptRow, ...]:
    """Prompts numbered from `first`, in texts of which the method's trainer makes the very tokens of inference.

    Raises:
        RecipeError: it makes others of them.
    """
    return tuple(
        replace(row, text=_text_of(row, tokenizer, method), number=number) for number, row in enumerate(rows, first)
    )


def _text_of(row: PromptRow, tokenizer: PreTrainedTokenizerBase, method: TrlMethod) -> str:
    begin = str(tokenizer.bos_token or "")
    for text in (row.text, row.text.removeprefix(begin), begin + row.text):
        if tuple(tokenizer(text, add_special_tokens=method.takes_special_tokens)["input_ids"]) == row.input_ids:
            return text
    raise RecipeError(
        f"method {method.name}: {method.trainer}Trainer would ask other tokens than are asked at inference: {show(row.text)}",
        "choose a base whose tokenizer reads its own chat template",
    )


def check_tokenizer(tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example]) -> None:
    """Refuse a tokenizer that cannot render a conversation, where there are some, or end an answer."""
    renders = tokenizer.chat_template or all(example.conversation.as_text for example in examples)
    if not renders or tokenizer.eos_token_id is None:
        missing = "EOS token" if renders else "chat template"
        raise RecipeError(f"the base's tokenizer has no {missing}", "choose a chat (instruct) model as base")


def rows_of_example(
    example: Example, tokenizer: PreTrainedTokenizerBase, max_length: int | None = None
) -> Sequence[TokenRow | AnswerRow | PromptRow]:
    """What one row of a file becomes in tokens, uncut: of answers to learn `tokenize_example`, of answers that are weighed
    each behind their prompt, tokenised as those, of a prompt alone what a model is asked at inference.

    Args:
        max_length: plain text that is longer is divided into rows of so many tokens.

    Raises:
        ModelError, DataError: as `tokenize_example`.
    """
    if not example.conversation.learnt:
        asked = example.conversation.asked
        return [PromptRow(tuple(prompt_tokens(tokenizer, asked)), render_text(tokenizer, asked))]
    if example.rejected is not None or example.wanted is not None:
        weighed = [example.conversation, *([example.rejected] if example.rejected is not None else [])]
        rows = [tokenize_example(replace(example, conversation=one), tokenizer)[0] for one in weighed]
        prompt = rows[0].input_ids[: rows[0].prompt_tokens]
        return [AnswerRow(prompt, tuple(row.input_ids[len(prompt) :] for row in rows), example.wanted)]
    if not example.conversation.prompt:
        return _plain_text(example.completion, tokenizer, max_length)
    return tokenize_example(example, tokenizer)


def _plain_text(text: str, tokenizer: PreTrainedTokenizerBase, max_length: int | None) -> list[TokenRow]:
    """Text as it is read at inference without a template, all of it learnt, EOS and all."""
    end = int(tokenizer.eos_token_id)
    ids = list(tokenizer(text)["input_ids"])
    ids += [end] if ids[-1:] != [end] else []
    size = max_length or len(ids)
    return [TokenRow(part, part) for start in range(0, len(ids), size) if (part := tuple(ids[start : start + size]))]


def tokenize_example(example: Example, tokenizer: PreTrainedTokenizerBase) -> list[TokenRow]:
    """The rows, uncut, in which each answer is learnt after the very tokens that stand before it at inference.

    Prompt and answer are tokenised apart, so the prompt's tokens are those of inference whatever the answer starts with. An
    answer ends in the tokenizer's EOS exactly once, and that EOS is a label even where padding uses the same token.

    Answers of one conversation share a row where the prompt of the next one continues it token by token. Where it does
    not, as with templates that leave earlier reasoning out, the next one has a row of its own.

    Raises:
        ModelError: the base's template cannot render the conversation.
        DataError: it would lose a part of it.
    """
    rows: list[TokenRow] = []
    for one in example.conversation.by_answer():
        prompt_text, prompt = render_text(tokenizer, one.asked), tuple(prompt_tokens(tokenizer, one.asked))
        answer_text = _answer_text(example, one, prompt_text, tokenizer).rstrip().removesuffix(str(tokenizer.eos_token))
        answer = (*tokenizer(answer_text, add_special_tokens=False)["input_ids"], int(tokenizer.eos_token_id))
        labels = (IGNORED_LABEL,) * len(prompt)
        if rows and prompt[: len(rows[-1].input_ids)] == rows[-1].input_ids:
            learnt = rows.pop().labels
            labels = (*learnt, *labels[len(learnt) :])
        rows.append(TokenRow((*prompt, *answer), (*labels, *answer)))
    return rows


def _answer_text(example: Example, one: Conversation, prompt_text: str, tokenizer: PreTrainedTokenizerBase) -> str:
    """What the model is to write: the answer, after its reasoning as the base's template puts it."""
    answer = one.answer
    if not answer.reasoning:
        return answer.content
    whole = render_chat(tokenizer, (*one.prompt, answer), one.tools, open_ended=False)
    written = whole.removeprefix(prompt_text)
    end = written.rfind(answer.content.strip())
    if written == whole or end < 0 or answer.reasoning.strip() not in written[:end]:
        row = json.dumps(example.fields, default=str)
        field = next((key for key in REASONING_KEYS if f'"{key}"' in row), REASONING_KEYS[0])
        raise DataError(
            f"field {field!r} of turn {len(one.turns)} would not be trained on: the base's chat template does not render it "
            "where the model would write it",
            "write it into the answer as the base is to write it, or remove the field",
        )
    return written[: end + len(answer.content.strip())]


def _tokenize(
    examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, max_length: int | None, name: str
) -> list[Any]:
    rows: list[Any] = []
    for example in examples:
        try:
            rows += rows_of_example(example, tokenizer, max_length)
        except (DataError, ModelError) as error:
            raise DataError(f"{name} row {example.row}: {error.problem}", error.remedy) from error
    return rows


def _report_truncation(rows: TokenRows[Any], total: int, max_length: int | None, name: str) -> None:
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
