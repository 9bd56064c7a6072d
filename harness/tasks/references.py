"""Answers held against one right text or several: exact match and token F1 of short ones, overlap of longer ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Literal

from harness.digests import digest_json
from harness.engines.requests import Answer
from harness.metrics import overlap
from harness.metrics.base import Metric
from harness.metrics.matching import normalize_space, normalize_squad, token_f1
from harness.metrics.words import WORDS_REVISION, BleuTokenizer, bleu_tokenizer
from harness.tasks.answers import Generates, generated_text, read_references
from harness.tasks.base import Grade, Item
from harness.tasks.build import AnswerKeys, Source, item_kind
from harness.tasks.records import Record

NORMALIZERS = {"squad": normalize_squad, "space": normalize_space}


class ShortAnswerKeys(AnswerKeys):
    """Keys of kind `exact_match`."""

    normalize: Literal["squad", "space"] = "squad"
    """what does not count: squad case, punctuation and articles; space only white space"""


class TextKeys(AnswerKeys):
    """Keys of kind `generation`; without `target_field` there is no right text, and `metrics:` say what an answer must be."""

    needs_target: ClassVar[bool] = False


@dataclass(frozen=True)
class _WithReferences(Generates):
    """A target is one text or a list of them."""

    def answer(self, target: str | list[str]) -> str:
        """The first reference."""
        return overlap.as_references(target)[0]

    def target(self, record: Record, field: str, value: Any) -> str | list[str] | None:
        """A row's reference or references."""
        return read_references(record, field, value)


@dataclass(frozen=True)
class AnswerGrader(_WithReferences):
    """Grades a short answer against the reference that fits best.

    Attributes:
        normalize: `squad` (case, punctuation and articles do not count) or `space` (only white space does not),
            for numbers, code and other answers whose punctuation matters.
    """

    max_new_tokens: int = 32
    normalize: str = "squad"

    @property
    def metrics(self) -> Sequence[Metric]:
        return (Metric("exact_match", kind="binary", floor=0.0), Metric("token_f1", bounds=(0.0, 1.0)))

    @property
    def digest(self) -> str:
        return digest_json(["exact_match", WORDS_REVISION, self.max_new_tokens, self.stop, self.normalize])

    def grade(self, item: Item, answers: Sequence[Answer]) -> Grade:
        normalize = NORMALIZERS[self.normalize]
        given = normalize(generated_text(item, answers))
        golds = [normalize(gold) for gold in overlap.as_references(item.target)]
        scores = {"exact_match": float(given in golds), "token_f1": max(token_f1(given, gold) for gold in golds)}
        return Grade(scores, given)


@dataclass(frozen=True)
class TextGrader(_WithReferences):
    """Grades free text by ROUGE, BLEU and chrF, all in [0, 1].

    Attributes:
        tokenize: sacrebleu's tokenizer for BLEU.
        has_references: whether there are any; without, nothing is graded here.
    """

    max_new_tokens: int = 256
    tokenize: BleuTokenizer = "13a"
    has_references: bool = True

    def complete(self, source: Source[TextKeys]) -> TextGrader:
        """The same for what the rows bring."""
        return replace(self, has_references=source.reader.has_target)

    def target(self, record: Record, field: str, value: Any) -> str | list[str] | None:
        """A row's reference or references; None where there are none."""
        return super().target(record, field, value) if self.has_references else None

    def fit(self, items: Sequence[Item]) -> TextGrader:
        """The same with the tokenizer that the script of these items' references wants."""
        if not self.has_references:
            return self
        return replace(self, tokenize=bleu_tokenizer(t for item in items for t in overlap.as_references(item.target)))

    @property
    def metrics(self) -> Sequence[Metric]:
        """The metrics; BLEU and chrF aggregate over the corpus, their per-sample scores are sentence-level."""
        if not self.has_references:
            return ()
        return (
            *(Metric(name, bounds=(0.0, 1.0)) for name in overlap.ROUGE_TYPES),
            Metric("bleu", corpus=partial(overlap.corpus_bleu, tokenize=self.tokenize), bounds=(0.0, 1.0)),
            Metric("chrf", corpus=overlap.corpus_chrf, bounds=(0.0, 1.0)),
        )

    @property
    def digest(self) -> str:
        if not self.has_references:
            return digest_json(["generation", "open", self.max_new_tokens, self.stop])
        return digest_json(["generation", WORDS_REVISION, self.max_new_tokens, self.stop, self.tokenize])

    def grade(self, item: Item, answers: Sequence[Answer]) -> Grade:
        text = generated_text(item, answers).strip()
        if not self.has_references:
            return Grade({}, text)
        references = overlap.as_references(item.target)
        scores = {
            **overlap.rouge(text, references),
            "bleu": overlap.sentence_bleu(text, references, self.tokenize),
            "chrf": overlap.sentence_chrf(text, references),
        }
        return Grade(scores, text)


EXACT_MATCH = item_kind("exact_match", ShortAnswerKeys, AnswerGrader)
GENERATION = item_kind("generation", TextKeys, TextGrader, complete=TextGrader.complete, fit=TextGrader.fit)
