"""Free text: ROUGE, BLEU and chrF against one or several references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.digests import digest_json
from harness.engines.requests import Answer
from harness.metrics import overlap
from harness.metrics.base import Metric
from harness.tasks.answers import Generates, generated_text, read_references
from harness.tasks.base import Grade, Item
from harness.tasks.build import AnswerKeys, item_kind
from harness.tasks.records import Record


@dataclass(frozen=True)
class TextGrader(Generates):
    """Grades against references; a target is one text or a list of them. All metrics lie in [0, 1]."""

    max_new_tokens: int = 256

    @property
    def metrics(self) -> Sequence[Metric]:
        """The metrics; BLEU and chrF aggregate over the corpus, their per-sample scores are sentence-level."""
        return (
            *(Metric(name, bounds=(0.0, 1.0)) for name in overlap.ROUGE_TYPES),
            Metric("bleu", corpus=overlap.corpus_bleu, bounds=(0.0, 1.0)),
            Metric("chrf", corpus=overlap.corpus_chrf, bounds=(0.0, 1.0)),
        )

    @property
    def digest(self) -> str:
        """Digest of the settings."""
        return digest_json(["generation", 1, self.max_new_tokens, self.stop])

    def grade(self, item: Item, answers: Sequence[Answer]) -> Grade:
        """Grade one answer."""
        text = generated_text(item, answers).strip()
        references = overlap.as_references(item.target)
        scores = {
            **overlap.rouge(text, references),
            "bleu": overlap.sentence_bleu(text, references),
            "chrf": overlap.sentence_chrf(text, references),
        }
        return Grade(scores, text)

    def target(self, record: Record, field: str, value: Any) -> str | list[str]:
        """A row's reference or references.

        Raises:
            DataError: it is neither text, a number nor a list of these.
        """
        return read_references(record, field, value)


GENERATION = item_kind("generation", AnswerKeys, TextGrader)
