"""How long are the rows in the base's tokens, and what does `max_length` leave of them?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.checks.data.corpus import TRAIN, VALIDATION, Corpus
from harness.checks.data.finding import Finding, share_check
from harness.errors import DataError, ModelError
from harness.gates import Check
from harness.training.data import check_tokenizer, rows_of_example

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_BINS = 10


@dataclass(frozen=True)
class RowLength:
    """One row in tokens: those before the first answer that is learnt, and all with the final EOS."""

    location: str
    prompt_tokens: int
    tokens: int


@dataclass(frozen=True)
class TokenLengths:
    """All training and validation rows; `max_length` is where the trainer cuts, None where it does not.

    Attributes:
        rows: as they are trained on; a conversation may be several (`rows_of_example`).
        refused: rows that the base's template cannot render in full.
    """

    rows: Sequence[RowLength]
    max_length: int | None
    refused: Sequence[Finding] = ()

    @property
    def longest(self) -> int:
        """Tokens of the longest row; 0 without rows."""
        return max((row.tokens for row in self.rows), default=0)

    def histogram(self) -> list[dict[str, str | int]]:
        """Rows by length, in ten bins of one width, for the report."""
        width = max(1, -(-self.longest // _BINS))
        counts = [0] * _BINS
        for row in self.rows:
            counts[(row.tokens - 1) // width] += 1
        used = counts[: -(-self.longest // width)]
        return [{"tokens": f"{i * width + 1}-{(i + 1) * width}", "rows": count} for i, count in enumerate(used)]


def token_lengths(corpus: Corpus, tokenizer: PreTrainedTokenizerBase, max_length: int | None) -> TokenLengths:
    """Measure the training and validation rows. Rows of rehearsal may be cut without harm.

    Raises:
        RecipeError: the tokenizer has no chat template or EOS.
    """
    parts = [part for part in corpus.parts if part.role in (TRAIN, VALIDATION)]
    check_tokenizer(tokenizer, [one for part in parts for one in part.examples])
    rows: list[RowLength] = []
    refused: list[Finding] = []
    for location, example in ((part.location(one.row), one) for part in parts for one in part.examples):
        try:
            made = rows_of_example(example, tokenizer, max_length)
            rows += (RowLength(location, row.prompt_tokens, row.tokens) for row in made)
        except (DataError, ModelError) as error:
            refused.append(Finding(location, f"{error.problem}: {error.remedy}"))
    return TokenLengths(rows, max_length, refused)


def rows_can_be_rendered(lengths: TokenLengths) -> Check:
    """The base's chat template renders every row, with all of its turns, tools and reasoning."""
    total = len({row.location for row in lengths.rows}) + len(lengths.refused)
    return share_check(
        "rendering",
        lengths.refused,
        total,
        0.0,
        fault="cannot be put by the base's chat template in full",
        sound=f"the base's chat template renders all {total} rows in full",
        remedy="correct these rows, or train a base whose chat template renders what they hold",
    )


def rows_fit(lengths: TokenLengths, limit: float) -> Check:
    """At most a share `limit` of the rows is cut at `max_length`: a cut row loses its EOS and teaches not to stop."""
    bound = lengths.max_length
    cut = [row for row in lengths.rows if bound is not None and row.tokens > bound]
    return share_check(
        "token_lengths",
        [Finding(row.location, f"{row.tokens} tokens") for row in sorted(cut, key=lambda row: -row.tokens)],
        len(lengths.rows),
        limit,
        fault=f"are longer than max_length {bound}",
        sound=f"the longest of {len(lengths.rows)} rows has {lengths.longest} tokens, max_length is {bound}",
        remedy=f"set trainer.max_length to {lengths.longest}, or shorten the rows",
        details={"max_length": bound, "longest_tokens": lengths.longest, "histogram": lengths.histogram()},
    )


def answers_are_seen(lengths: TokenLengths) -> Check:
    """No row is cut before its answer begins: nothing of it would be trained on."""
    bound = lengths.max_length
    findings = [
        Finding(row.location, f"the prompt alone has {row.prompt_tokens} tokens")
        for row in lengths.rows
        if bound is not None and row.prompt_tokens >= bound
    ]
    return share_check(
        "masked_rows",
        findings,
        len(lengths.rows),
        0.0,
        fault=f"have no token of their answer within max_length {bound}",
        sound=f"of each of {len(lengths.rows)} rows some of the answer is trained on",
        remedy="raise trainer.max_length above these prompts, shorten them, or remove the rows",
    )
