"""Classification: does the answer name the right label?"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import regex
from pydantic import model_validator

from harness.config.base import Text, objection
from harness.digests import digest_json
from harness.engines.requests import Answer
from harness.errors import TaskError, show
from harness.metrics.base import Metric
from harness.metrics.classification import macro_f1, macro_precision, macro_recall
from harness.metrics.words import SPACED, canonical
from harness.patterns import refused, search
from harness.tasks.answers import Generates, generated_text
from harness.tasks.base import Grade, Item
from harness.tasks.build import AnswerKeys, Source, item_kind
from harness.tasks.kinds import Texts
from harness.tasks.records import Record

Reading = Literal["contains", "exact", "first_line", "regex"]


class ClassificationKeys(AnswerKeys):
    """Keys of kind `classification`."""

    labels: Texts = ()
    """the labels; without them, those that target_field holds"""
    read_label: Reading = "contains"
    """where in an answer the label is looked for, in every case without regard to case and to punctuation at the ends:
    contains takes the only label mentioned, exact the whole answer, first_line its first line, regex what `label_pattern`
    finds"""
    label_pattern: Text | None = None
    """regular expression whose first group, or else whose match, is the label: 'Team: (.+)'"""

    @model_validator(mode="after")
    def _pattern_where_it_is_read(self) -> ClassificationKeys:
        if (self.label_pattern is None) == (self.read_label == "regex"):
            problem = f"read_label is {self.read_label}, and label_pattern is {self.label_pattern!r}"
            raise objection(problem, "give read_label: regex and a label_pattern, or neither")
        if (said := refused(self.label_pattern or "")) is not None:
            raise objection(f"label_pattern is {self.label_pattern!r:.80}: {said}", "correct the regular expression")
        return self


@dataclass(frozen=True)
class ClassificationGrader(Generates):
    """Grades against one of `labels`; an answer that names none, or more than one, is wrong.

    Attributes:
        read_label, label_pattern: as of `ClassificationKeys`.
        majority: largest share of one label among the targets, for the floor of accuracy: what always answering
            that label reaches. The macro averages of such a model, and of a random one, do not pass 1/k.
    """

    max_new_tokens: int = 16
    labels: tuple[str, ...] = ()
    read_label: Reading = "contains"
    label_pattern: str | None = None
    majority: float = 0.0

    @property
    def metrics(self) -> Sequence[Metric]:
        """The metrics; the macro averages are over the corpus."""
        chance = 1 / len(self.labels)
        return (
            Metric("accuracy", kind="binary", floor=max(self.majority, chance)),
            Metric("macro_precision", floor=chance, corpus=macro_precision, bounds=(0.0, 1.0)),
            Metric("macro_recall", floor=chance, corpus=macro_recall, bounds=(0.0, 1.0)),
            Metric("macro_f1", floor=chance, corpus=macro_f1, bounds=(0.0, 1.0)),
        )

    @property
    def digest(self) -> str:
        revision = 1 if all(map(str.isascii, self.labels)) else 2  # those are found as they were by the first
        read = [] if self.read_label == "contains" else [self.read_label, self.label_pattern]
        return digest_json(["classification", revision, self.max_new_tokens, self.stop, self.labels, *read])

    def grade(self, item: Item, answers: Sequence[Answer]) -> Grade:
        label = self._label(generated_text(item, answers))
        return Grade({"accuracy": float(label == item.target)}, label)

    def _label(self, answer: str) -> str | None:
        if self.read_label == "contains":
            return find_label(answer, self.labels)
        if self.read_label == "first_line":
            answer = answer.strip().partition("\n")[0]
        if self.label_pattern is not None:
            found = search(self.label_pattern, answer, "label_pattern", TaskError)
            answer = (found[1] if found.re.groups else found[0]) or "" if found else ""
        return {_plain(label): label for label in self.labels}.get(_plain(answer))

    def answer(self, target: str) -> str:
        """The label."""
        return target

    def target(self, record: Record, field: str, value: Any) -> str:
        """A row's label as one of `labels`."""
        text = label_text(value)
        if text is None or text not in self.labels:
            problem = f"field {field!r} is {show(value)}, not a label"
            raise record.error(problem, f"the task's labels are: {', '.join(self.labels)}")
        return text


def label_text(value: Any) -> str | None:
    """A label as text: text or an integer as it is, booleans as JSON writes them; None for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) and str(value).strip() else None


def check_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """The labels, if an answer can tell them apart."""
    if len(labels) < 2:
        raise TaskError(
            f"a classification task needs two labels or more, got {list(labels)}",
            "add rows of the others, or name them all by `labels:`; what has one right answer a row is kind: generation",
        )
    for plain, count in Counter(map(_plain, labels)).items():
        if count > 1 or not plain:
            remedy = "use labels that differ in more than case and punctuation at the ends"
            raise TaskError(f"labels {list(labels)} cannot be told apart in an answer", remedy)
    return tuple(labels)


def find_label(answer: str, labels: Sequence[str]) -> str | None:
    """The label an answer gives.

    The whole answer if it is a label, without regard to case and to white space and punctuation at the ends; else the
    only label mentioned in it as whole words, where the longest label at a place counts ("very good" is not "good"); in a
    script without spaces a word has no ends. None if none or several are. "not good" names "good": ask for the label alone.
    """
    by_plain = {_plain(label): label for label in labels}
    if (whole := by_plain.get(_plain(answer))) is not None:
        return whole
    longest_first = sorted(by_plain, key=len, reverse=True)
    pattern = rf"(?<!{SPACED})(?:{'|'.join(map(regex.escape, longest_first))})(?!{SPACED})"
    said = canonical(answer).casefold()
    mentioned = {by_plain[match.group()] for match in regex.finditer(pattern, said, regex.VERSION1)}
    return mentioned.pop() if len(mentioned) == 1 else None


def _plain(text: str) -> str:
    return canonical(text).casefold().strip(string.whitespace + string.punctuation)


def _with_labels(grader: ClassificationGrader, source: Source[ClassificationKeys]) -> ClassificationGrader:
    labels, field = grader.labels, source.keys.target_field
    if not labels:
        if field is None:
            raise TaskError(f"task {source.task!r} has no 'labels'", "list them, or give target_field")
        texts = {label_text(record.get(field)) for record in source.records}
        labels = tuple(sorted(text for text in texts if text is not None))
    return replace(grader, labels=check_labels(labels))


def _with_majority(grader: ClassificationGrader, items: Sequence[Item]) -> ClassificationGrader:
    return replace(grader, majority=max(Counter(item.target for item in items).values()) / len(items))


CLASSIFICATION = item_kind(
    "classification",
    ClassificationKeys,
    ClassificationGrader,
    metrics=ClassificationGrader(labels=("yes", "no")).metrics,
    complete=_with_labels,
    fit=_with_majority,
)
