"""Questions with short answers: exact match and token F1 against one or several gold answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.digests import digest_json
from harness.engines.requests import Answer
from harness.metrics.base import Metric
from harness.metrics.matching import normalize_space, normalize_squad, token_f1
from harness.metrics.overlap import as_references
from harness.tasks.answers import Generates, generated_text, read_references
from harness.tasks.base import Grade, Item
from harness.tasks.build import AnswerKeys, item_kind
from harness.tasks.records import Record

NORMALIZERS = {"squad": normalize_squad, "space": normalize_space}


class ShortAnswerKeys(AnswerKeys):
    """Keys of kind `exact_match`."""

    normalize: Literal["squad", "space"] = "squad"
    """what does not count: squad case, punctuation and articles; space only white space"""


@dataclass(frozen=True)
class AnswerGrader(Generates):
    """Grades against the gold answer that fits best; a target is one text or a list of them.

    Attributes:
        normalize: `squad` (case, punctuation and articles do not count) or `space` (only white space does not),
            for numbers, code and other answers whose punctuation matters.
    """

    max_new_tokens: int = 32
    normalize: str = "squad"

    @property
    def metrics(self) -> Sequence[Metric]:
        """The metrics."""
        return (Metric("exact_match", kind="binary", floor=0.0), Metric("token_f1", bounds=(0.0, 1.0)))

    @property
    def digest(self) -> str:
        """Digest of the settings."""
        return digest_json(["exact_match", 1, self.max_new_tokens, self.stop, self.normalize])

    def grade(self, item: Item, answers: Sequence[Answer]) -> Grade:
        """Grade one answer."""
        normalize = NORMALIZERS[self.normalize]
        given = normalize(generated_text(item, answers))
        golds = [normalize(gold) for gold in as_references(item.target)]
        scores = {"exact_match": float(given in golds), "token_f1": max(token_f1(given, gold) for gold in golds)}
        return Grade(scores, given)

    def target(self, record: Record, field: str, value: Any) -> str | list[str]:
        """A row's gold answer or answers.

        Raises:
            DataError: it is neither text, a number nor a list of these.
        """
        return read_references(record, field, value)


EXACT_MATCH = item_kind("exact_match", ShortAnswerKeys, AnswerGrader)
