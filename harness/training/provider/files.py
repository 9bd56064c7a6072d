"""The files that are sent: a row a line, each known by the row that it was made of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from harness.digests import digest_bytes
from harness.errors import DataError, RecipeError
from harness.paths import show_size
from harness.training.drawing import Drawn, weighed_examples
from harness.training.provider.cost import Estimate, tokens_about
from harness.training.provider.rows import sent_row
from harness.training.recipe import Recipe

FEWEST_ROWS = 10
_MOST_BYTES = 512 << 20


@dataclass(frozen=True)
class SentRow:
    """One row.

    Attributes:
        line: as it is sent, in JSON.
        source: the row that it was made of, as `train.jsonl row 3`.
        tokens: about (`tokens_about`).
    """

    line: str
    source: str
    tokens: int


@dataclass(frozen=True)
class SentFile:
    """Rows to train on, or to validate on."""

    rows: tuple[SentRow, ...]

    @cached_property
    def content(self) -> bytes:
        """The bytes that are sent."""
        return "".join(f"{row.line}\n" for row in self.rows).encode()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of them."""
        return digest_bytes(self.content)

    @property
    def name(self) -> str:
        """What the provider is to call it."""
        return f"assay-{self.digest[:32]}.jsonl"


@dataclass(frozen=True)
class SentFiles:
    """All that a job is given to read, and what it will take."""

    train: SentFile
    validation: SentFile | None
    estimate: Estimate


def sent_files(recipe: Recipe) -> SentFiles:
    """What is sent for a recipe, checked in full and held against its limits.

    Raises:
        DataError: a row is malformed, or not as the API takes it.
        RecipeError: there are fewer rows than the API takes, or they are more than the limits allow.
    """
    assert recipe.limits is not None
    drawn = weighed_examples(recipe)
    train = SentFile(tuple(row for part in drawn if part.role != "validation" for row in _rows(part)))
    held_out = [part for part in drawn if part.role == "validation"]
    validation = SentFile(tuple(row for part in held_out for row in _rows(part))) if held_out else None
    if len(train.rows) < FEWEST_ROWS:
        raise RecipeError(
            f"recipe {recipe.name!r}: {len(train.rows)} rows to train on, and the API takes no fewer than {FEWEST_ROWS}",
            "add rows, or raise data.train.limit",
        )
    for file in (train, validation):
        if file is not None and len(file.content) > _MOST_BYTES:
            raise RecipeError(
                f"recipe {recipe.name!r}: a file of {show_size(len(file.content))}, and the API takes "
                f"{show_size(_MOST_BYTES)} at the most",
                "train on fewer rows (data.train.limit)",
            )
    estimate = Estimate(sum(row.tokens for row in train.rows), int(recipe.trainer["n_epochs"]), recipe.limits)
    return SentFiles(train, validation, estimate)


def _rows(part: Drawn) -> list[SentRow]:
    name = part.file.path.rpartition("/")[2]
    made: list[SentRow] = []
    refused: list[DataError] = []
    for example in part.examples:
        source = f"{name} row {example.row}"
        try:
            row = sent_row(example)
        except DataError as error:
            refused.append(DataError(f"{source} {error.problem}", error.remedy))
        else:
            made.append(SentRow(_line(row), source, tokens_about(row)))
    if refused:
        more = f" (and {len(refused) - 1} rows more)" if len(refused) > 1 else ""
        raise DataError(f"{refused[0].problem}{more}", refused[0].remedy)
    return made


def _line(row: Any) -> str:
    return json.dumps(row, ensure_ascii=False, allow_nan=False, default=str)
