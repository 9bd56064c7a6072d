"""A table of questions and right answers: which columns, what kind of task, and which rows are held out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.digests import digest_json
from harness.errors import ConfigError, DataError, TaskError, nearest
from harness.tasks.classification import check_labels
from harness.tasks.formats import detect_format, parse_training_example
from harness.tasks.items import scalar_text
from harness.tasks.records import Record, read_records

Kind = Literal["classification", "exact_match", "generation"]

_MOST_LABELS = 100
_ROWS_A_LABEL = 4  # on average; with fewer the answers are texts that happen to repeat
_SHORT_CHARACTERS = 60
_TEST_SHARE, _MOST_TEST = 0.2, 1000
_VALIDATION_SHARE, _MOST_VALIDATION = 0.1, 200
_NOT_IN_TEMPLATES = frozenset(".[]{}!:")


@dataclass(frozen=True)
class Question:
    """A row: what is asked and what is right, as texts."""

    record: Record
    text: str
    answer: str


@dataclass(frozen=True)
class Table:
    """Questions of one file.

    Attributes:
        text, answer: their columns; None where rows bring a conversation.
    """

    path: Path
    kind: Kind
    text: str | None
    answer: str | None
    questions: Sequence[Question]

    @property
    def labels(self) -> list[str]:
        """The right answers there are."""
        return sorted({question.answer for question in self.questions})

    @property
    def longest_answer(self) -> int:
        """In characters."""
        return max(len(question.answer) for question in self.questions)

    @property
    def field(self) -> str | None:
        """The text's column under a name that stands in a prompt: `text` where its own cannot."""
        return self.text if self.text is None or not _NOT_IN_TEMPLATES & set(self.text) else "text"

    def fields(self, question: Question) -> dict[str, Any]:
        """A row as it is written."""
        fields = dict(question.record.fields)
        if self.text is not None and self.field != self.text:
            fields[str(self.field)] = fields.pop(self.text)
        return fields


@dataclass(frozen=True)
class Parts:
    """The questions by what they are for, each part in the order of the file."""

    train: Sequence[Question]
    validation: Sequence[Question]
    test: Sequence[Question]


def read_table(path: Path, text: str | None, answer: str | None, kind: Kind | None = None) -> Table:
    """Read a file of questions.

    Args:
        text, answer: the columns that hold them; None for both where rows bring a conversation.
        kind: of the task; None chooses it by the answers.

    Raises:
        DataError: the file or a row of it cannot be read, or a text or an answer is empty.
        ConfigError: there is no such column, or one is not named.
        TaskError: the labels cannot be told apart.
    """
    records = read_records(path)
    if text is None and answer is None:
        questions, kind = _conversations(records), kind or "generation"
    else:
        columns = [_column(records, name, option) for name, option in ((text, "--text"), (answer, "--label"))]
        questions = [_question(record, *columns) for record in records]
    chosen = kind or _kind_of([question.answer for question in questions])
    if chosen == "classification":
        try:
            check_labels(sorted({question.answer for question in questions}))
        except TaskError as error:
            raise TaskError(
                f"{path}: {error.problem}", f"{error.remedy or 'name another column'}; or give --kind"
            ) from None
    if len({question.text for question in questions}) < 2:
        raise DataError(f"{path}: all rows ask the same", "give rows that differ: some are trained on, others held out")
    return Table(path, chosen, text, answer, questions)


def _column(records: Sequence[Record], name: str | None, option: str) -> str:
    columns = list(records[0].fields)
    if name is None:
        what = "what is asked" if option == "--text" else "the right answer"
        raise ConfigError(f"{option} is missing", f"name the column with {what}, one of: {', '.join(columns)}")
    if name not in columns:
        raise ConfigError(f"{option}={name}: {records[0].path} has no such column", nearest(name, columns))
    return name


def _question(record: Record, text: str, answer: str) -> Question:
    asked = scalar_text(record, text)
    right = scalar_text(record, answer)
    for column, value in ((text, asked), (answer, right)):
        if not value.strip():
            raise record.error(f"has no text in column {column!r}", "fill it in or remove the row")
    return Question(record, asked, right)


def _conversations(records: Sequence[Record]) -> list[Question]:
    try:
        name = detect_format(records[0])
    except DataError:
        columns = ", ".join(records[0].fields)
        raise ConfigError(
            f"{records[0].path}: its rows are no conversations that could be trained on as they are",
            f"name the columns by --text and --label; there are: {columns}",
        ) from None
    examples = [parse_training_example(record, name) for record in records]
    return [
        Question(record, "\n".join(turn.content for turn in example.prompt), example.completion)
        for record, example in zip(records, examples, strict=True)
    ]


def _kind_of(answers: Sequence[str]) -> Kind:
    short = max(map(len, answers)) <= _SHORT_CHARACTERS
    labels = len(set(answers))
    if short and labels <= min(_MOST_LABELS, len(answers) / _ROWS_A_LABEL):
        return "classification"
    return "exact_match" if short else "generation"


def split(table: Table) -> Parts:
    """Rows to train on, to judge checkpoints by, and to hold out, always the same ones.

    Rows that ask the same stay together, and each label goes into all three where it has questions enough. Which a
    question goes into depends on its own text and on how many there are: rows in another order change nothing.
    """
    groups: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    first_answer: dict[str, str] = {}
    for place, question in enumerate(table.questions):
        answer = first_answer.setdefault(question.text, question.answer)
        groups[answer if table.kind == "classification" else ""][question.text].append(place)
    total = len(first_answer)
    test_share = min(_TEST_SHARE, _MOST_TEST / total)
    validation_share = min(_VALIDATION_SHARE, _MOST_VALIDATION / total)
    part_of: dict[int, str] = {}
    for texts in groups.values():
        ordered = sorted(texts, key=digest_json)
        tested = min(max(1, round(test_share * len(ordered))), len(ordered) - 1)
        validated = min(round(validation_share * len(ordered)), len(ordered) - 1 - tested)
        for number, text in enumerate(ordered):
            part = "test" if number < tested else "validation" if number < tested + validated else "train"
            part_of.update(dict.fromkeys(texts[text], part))
    chosen: Mapping[str, list[Question]] = {
        part: [question for place, question in enumerate(table.questions) if part_of[place] == part]
        for part in ("train", "validation", "test")
    }
    return Parts(**chosen)
