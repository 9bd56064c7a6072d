"""What a format of data rows is, which of those registered a row is in, and the row read by it as a conversation."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.engines.requests import Message
from harness.errors import DataError, some_of
from harness.plugins import Registry
from harness.tasks.base import Question
from harness.tasks.conversations import (
    SYSTEM_COLUMNS,
    Conversation,
    filled_text,
)
from harness.tasks.other_methods import refuse_rows_of_other_methods
from harness.tasks.records import Record, filled

AUTO = "auto"
"""Finds the format in the first row."""
TEXT = "text"
"""Rows of plain text, all of it learnt: of recipes alone, for a task asks something."""

QUESTIONS = ("prompt", "question", "query", "input")
EXTRAS = ("input", "context")
MEDIA = ("images", "image", "videos", "video", "audios", "audio")
MARKS = ("weight", "train", "trainable")
_SHOWN_FIELDS = 40
_REASONING = re.compile(r"reasoning|thinking|thoughts?$|rationale|scratchpad|chain_of_thought|(?:^|_)cot$")
_FIRST_READ: Mapping[str, frozenset[str]] = {
    "messages": frozenset({"messages"}),
    "sharegpt": frozenset({"conversations", "system"}),
    "prompt_completion": frozenset({"prompt", "completion"}),
    "alpaca": frozenset({"instruction", "input", "output", "system"}),
}

_MEANINGFUL = frozenset(
    {*SYSTEM_COLUMNS, "tools", "functions", "history", "instruction", *QUESTIONS, *EXTRAS, *MARKS, *MEDIA}
    | {"documents", "chat_template_kwargs", "train_detail", "loss_scale"}
)


def refuse_media(record: Record) -> None:
    """Refuse a row that brings an image, sound or film beside its text, other than by a name.

    Raises:
        DataError: it does.
    """
    for name in MEDIA:
        if isinstance(value := record.fields.get(name), dict | list | bytes) and value:
            raise record.error(
                f"field {name!r} would not be asked",
                "only text is asked: remove the row, or the field where text is enough",
            )


def is_meaningful(name: str) -> bool:
    """Whether a column or a turn's key of this name changes what is learnt: a row is not trained on without it."""
    name = name.rpartition(".")[2].lower()
    return name in _MEANINGFUL or _REASONING.search(name) is not None


@dataclass(frozen=True)
class Example:
    """A row read.

    Attributes:
        row: of the file it came from, as in `Record`.
        fields: that row.
        unread: its columns and keys of turns that hold something and were not read.
        first_read: whether it is read as it was before tools, reasoning and further columns were: adapters trained then
            are still its own.
        rejected: of a preference pair the same turns with the worse answer.
        wanted: whether the answer is to become likelier, where rows are marked so (KTO).
        question: as the task asks it whose grader rewards answers.
    """

    conversation: Conversation
    row: int
    fields: Mapping[str, Any]
    unread: frozenset[str] = frozenset()
    first_read: bool = True
    rejected: Conversation | None = None
    wanted: bool | None = None
    question: Question | None = None

    @property
    def prompt(self) -> tuple[Message, ...]:
        """The turns before the last one that is learnt."""
        return self.conversation.prompt

    @property
    def completion(self) -> str:
        """The last turn that is learnt, never blank."""
        return self.conversation.answer.content

    @property
    def lost(self) -> frozenset[str]:
        """Those unread that change what is learnt, but for columns that repeat what the turns say."""
        said = "\n".join(turn.content for turn in self.conversation.turns)
        repeated = {name for name, value in self.fields.items() if isinstance(value, str) and value.strip() in said}
        return frozenset(name for name in self.unread - repeated if is_meaningful(name))

    def of_last_answer(self) -> Example:
        """The same with its last answer alone learnt."""
        return replace(self, conversation=self.conversation.of_last_answer())


@dataclass(frozen=True)
class DataFormat:
    """How rows of a data file hold a conversation.

    Attributes:
        name: as `format:` gives it.
        fields: that every row has; the last holds the completion.
        parse: a row -> its conversation; or the turns of its prompt, and the completion. Raises DataError (`record.error`)
            where it cannot.
        detect: whether a row is of this format; None: it is where it has all `fields`.
        other_names: for each field the names it may have beside; looked for where no format fits by `fields`.
    """

    name: str
    fields: tuple[str, ...]
    parse: Callable[[Record], Conversation | tuple[tuple[Message, ...], str]]
    detect: Callable[[Record], bool] | None = None
    other_names: tuple[tuple[str, ...], ...] = ()

    def fits(self, record: Record) -> bool:
        """Whether a row is of this format."""
        return self.detect(record) if self.detect is not None else all(field in record.fields for field in self.fields)

    def fits_by_other_names(self, record: Record) -> bool:
        """Whether a row is of this format under other names than its own."""
        names = self.other_names
        return bool(names) and all(any(name in record.fields for name in field) for field in names)


DATA_FORMATS: Registry[DataFormat] = Registry("register_data_formats", "data format", DataError)


def detect_format(record: Record) -> str:
    """The first format that the row fits.

    Raises:
        DataError: it fits none.
    """
    formats = list(DATA_FORMATS)
    record = replace(record, fields=_Watched(record.fields))
    found = next((one for one in formats if one.fits(record)), None)
    # the last first: an instruction with its input is no input with its output
    found = found or next((one for one in reversed(formats) if one.fits_by_other_names(record)), None)
    if found is not None:
        return found.name
    refuse_rows_of_other_methods(record)
    raise record.error(
        f"fits no format: its fields are {some_of(list(record.fields), _SHOWN_FIELDS)}",
        f"rename the fields to one of these ({known_formats()})",
    )


def known_formats() -> str:
    """Each format with its fields, for messages."""
    return "; ".join(f"{one.name}: {', '.join(one.fields)}" for one in DATA_FORMATS)


def parse_example(record: Record, format_name: str) -> Example:
    """Read one row in the named format.

    Raises:
        DataError: the format is unknown, or a field is missing or malformed; the message names file, row and field.
    """
    one = DATA_FORMATS.get(format_name)
    fields = _Watched(record.fields)
    parsed = one.parse(replace(record, fields=fields))
    read = parsed if isinstance(parsed, Conversation) else Conversation.answered(*parsed)
    used = frozenset(name for name in fields.read if filled(record.fields[name]))
    unread = frozenset(name for name, value in record.fields.items() if filled(value)) - used
    first_read = (
        used <= _FIRST_READ.get(one.name, used)
        and not any(turn.reasoning for turn in read.turns)
        and "assistant" not in read.roles[read.learnt[-1] + 1 :]
    )
    return Example(read, record.row, record.fields, unread | read.unread, first_read)


def parse_text(record: Record) -> Example:
    """Read one row of plain text.

    Raises:
        DataError: it has no text.
    """
    text = filled_text(record, TEXT, record.get(TEXT))
    unread = frozenset(name for name, value in record.fields.items() if name != TEXT and filled(value))
    made = Conversation((Message("assistant", text),), (0,), as_text=True)
    return Example(made, record.row, record.fields, unread, first_read=False)


def parse_training_example(record: Record, format_name: str, marks: Collection[str] = ()) -> Example:
    """Read one row to be trained on; as `parse_example`, and rows made for another method are refused too.

    Args:
        marks: of the row's file, by `numbered_marks`.
    """
    refuse_rows_of_other_methods(record, marks)
    return parse_example(record, format_name)


class _Watched(Mapping[str, Any]):
    """The fields of a row, whatever the case of their names, noting which of them are read."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields
        self._names = {**{name.strip().lower(): name for name in fields}, **{name: name for name in fields}}
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        own = self._names[name]
        self.read.add(own)
        return self._fields[own]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)
