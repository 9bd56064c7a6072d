"""How the rows of a recipe's file are read: in their format, or as a task of assay.yaml asks them; and each file once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from harness.digests import digest_json
from harness.errors import DataError, RecipeError, nearest
from harness.tasks.data_files import data_digest, files_of
from harness.tasks.formats import AUTO, DATA_FORMATS, TEXT, Example, detect_format, parse_text, parse_training_example
from harness.tasks.function_calls import reading_calls
from harness.tasks.kinds import NAMED_TASKS, Spec, TaskContext, kind_of
from harness.tasks.other_methods import numbered_marks
from harness.tasks.preferences import parse_judged, parse_pair, parse_prompt
from harness.tasks.records import Record, filled, read_records
from harness.training.recipe import DataFile, Recipe
from harness.training.rows import RowKind

RowReader = Callable[[Record], Example]
"""Makes a row what is trained on. Raises DataError where it cannot; the message names file, row and field."""


_MOST_KEPT = 8


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a file, and what they become.

    Attributes:
        records: every row.
        name: their format, or the task that words them; "unknown" where the first fits none.
        read: what makes one an example.
        fault: why they are read one by one, each in a format of its own; None where they need not be.
    """

    records: Sequence[Record]
    name: str
    read: RowReader
    fault: DataError | None = None

    @cached_property
    def parsed(self) -> list[Example | DataError]:
        """What each row becomes, or why it cannot be read."""
        return list(self.one_by_one())

    def one_by_one(self) -> Iterator[Example | DataError]:
        """The same, no further than is asked for."""
        yield from self.__dict__.get("parsed") or map(self._parse, self.records)

    def examples(self) -> list[Example]:
        """What the rows become.

        Raises:
            DataError: one of them cannot be read.
        """
        read = [one for one in self.parsed if isinstance(one, Example)]
        if self.fault is not None or len(read) < len(self.parsed):
            raise self.fault or next(one for one in self.parsed if isinstance(one, DataError))
        return read

    def _parse(self, record: Record) -> Example | DataError:
        try:
            return self.read(record)
        except DataError as error:
            return error


def rows_of(recipe: Recipe, file: DataFile) -> Rows:
    """The rows of a recipe's file, read once as long as no file changes that they are made of.

    Raises:
        DataError: the file is missing, empty or malformed.
        RecipeError, TaskError: as `row_reader`.
    """
    path, kind = recipe.resolve(file), _kind(recipe, file)
    if file.task is None:
        return rows_of_file(path, file.format, kind, calls=recipe.is_provided)
    spec, context = _task(recipe, file.task)
    named = [context.root / value for value in spec.values() if isinstance(value, str)]
    stamps = [_stamp(path), *(_stamp(one) for one in named if one.is_file())]
    return _kept((path, file.task, kind, repr(spec), *stamps), path, partial(row_reader, recipe, file))


def rows_of_file(path: Path, format_name: str = AUTO, kind: RowKind = "conversations", *, calls: bool = False) -> Rows:
    """The same of a file in a format; with `calls`, turns may hold calls as OpenAI writes them."""
    reading = partial(format_reader, format_name, kind=kind, calls=calls)
    return _kept((path, format_name, kind, calls, _stamp(path)), path, reading)


def rows_without_recipe(path: Path, format_name: str = AUTO) -> Rows:
    """The same of a file of which no recipe tells for what method it is: its format may name the kind of its rows."""
    return rows_of_file(path, format_name, next((kind for kind in _PARSERS if kind == format_name), "conversations"))


_KEPT: dict[Hashable, Rows] = {}


def _kept(key: Hashable, path: Path, reading: Callable[[Sequence[Record]], tuple[str, RowReader]]) -> Rows:
    if key not in _KEPT:
        records = read_records(path)
        try:
            rows = Rows(records, *reading(records))
        except DataError as error:
            rows = Rows(records, "unknown", lambda one: parse_training_example(one, detect_format(one)), error)
        for old in list(_KEPT)[: len(_KEPT) + 1 - _MOST_KEPT]:
            del _KEPT[old]
        _KEPT[key] = rows
    return _KEPT[key]


def _stamp(path: Path) -> Hashable:
    """What tells a file that was written anew from what it was."""
    stats = [(file, file.stat()) for file in files_of(path)]
    return tuple((str(file), stat.st_size, stat.st_mtime_ns, stat.st_ino) for file, stat in stats)


def _kind(recipe: Recipe, file: DataFile) -> RowKind:
    """What rows of a file bring: answers to learn, where the model is to give the worse ones of pairs."""
    return "conversations" if file.rejected is not None else recipe.how.rows


def row_reader(recipe: Recipe, file: DataFile, records: Sequence[Record]) -> tuple[str, RowReader]:
    """What a file's rows are called in reports (their format, or the task), and how they are read.

    Args:
        records: its rows, one or more; the format is found in the first where none is given.

    Raises:
        DataError: it is in no known format.
        RecipeError: there is no such task.
        TaskError: the task has no right answers to be trained on, or its specification is wrong.
    """
    if file.task is None:
        return format_reader(file.format, records, kind=_kind(recipe, file), calls=recipe.is_provided)
    spec, context = _task(recipe, file.task)
    kind = kind_of(file.task, spec)
    reader = kind.question_reader if recipe.how.rows == "prompts" else kind.row_reader
    return f"task {file.task}", reader(file.task, spec, context, records[0])


def format_reader(
    format_name: str, records: Sequence[Record], *, kind: RowKind = "conversations", calls: bool = False
) -> tuple[str, RowReader]:
    """The same for rows of a format, or of that in which the first is (`auto`)."""
    if calls:
        name, read = format_reader(format_name, records, kind=kind)
        return name, reading_calls(read)
    if kind != "conversations":
        return kind, _PARSERS[kind]
    if format_name == TEXT or (
        format_name == AUTO and {name for name, value in records[0].fields.items() if filled(value)} == {TEXT}
    ):
        return TEXT, parse_text
    if format_name != AUTO and format_name not in DATA_FORMATS:
        known = [AUTO, TEXT, *DATA_FORMATS.names()]
        raise DataError(f"{records[0].path}: there is no data format {format_name!r}", nearest(format_name, known))
    name = detect_format(records[0]) if format_name == AUTO else format_name
    return name, partial(parse_training_example, format_name=name, marks=numbered_marks(records))


_PARSERS: Mapping[RowKind, RowReader] = {"pairs": parse_pair, "judged": parse_judged, "prompts": parse_prompt}
"""They tell the columns of a row by themselves."""


def rows_digest(recipe: Recipe, file: DataFile) -> str:
    """Digest of a file's content; of one that a task words, of what its rows become, whatever the task is called."""
    path = recipe.resolve(file)
    if file.task is None:
        return data_digest(path)
    examples = rows_of(recipe, file).examples()
    worded = [example.conversation for example in examples]
    turns = [[[turn.role, turn.content, turn.reasoning] for turn in one.turns] for one in worded]
    asked = [[one.question.item.target, one.question.grader.digest] for one in examples if one.question is not None]
    return digest_json(["worded", turns, [[one.tools, one.as_text] for one in worded], *([asked] if asked else [])])


def _task(recipe: Recipe, name: str) -> tuple[Spec, TaskContext]:
    if name in recipe.tasks:
        return recipe.tasks[name], TaskContext(recipe.root)
    if name in NAMED_TASKS:
        named = NAMED_TASKS.get(name)
        return named.spec, TaskContext(named.root or recipe.root)
    known = [*recipe.tasks, *NAMED_TASKS.names()]
    raise RecipeError(f"recipe {recipe.name!r}: data names the task {name!r}, which is unknown", nearest(name, known))
