"""How the rows of a recipe's file are read: in their format, or as a task of assay.yaml asks them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from harness.digests import digest_json
from harness.errors import RecipeError, nearest
from harness.tasks.data_files import data_digest
from harness.tasks.formats import AUTO, Example, detect_format, parse_training_example
from harness.tasks.kinds import NAMED_TASKS, Spec, TaskContext, kind_of
from harness.tasks.other_methods import numbered_marks
from harness.tasks.records import Record, read_records
from harness.training.recipe import DataFile, Recipe

RowReader = Callable[[Record], Example]
"""Makes a row what is trained on. Raises DataError where it cannot; the message names file, row and field."""


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
        return format_reader(file.format, records)
    spec, context = _task(recipe, file.task)
    return f"task {file.task}", kind_of(file.task, spec).row_reader(file.task, spec, context, records[0])


def format_reader(format_name: str, records: Sequence[Record]) -> tuple[str, RowReader]:
    """The same for rows of a format, or of that in which the first is (`auto`)."""
    name = detect_format(records[0]) if format_name == AUTO else format_name
    return name, partial(parse_training_example, format_name=name, marks=numbered_marks(records))


def rows_digest(recipe: Recipe, file: DataFile) -> str:
    """Digest of a file's content; of one that a task words, of what its rows become, whatever the task is called."""
    path = recipe.resolve(file)
    if file.task is None:
        return data_digest(path)
    records = read_records(path)
    _, read = row_reader(recipe, file, records)
    worded = [read(record).conversation for record in records]
    turns = [[[turn.role, turn.content, turn.reasoning] for turn in one.turns] for one in worded]
    return digest_json(["worded", turns, [[one.tools, one.as_text] for one in worded]])


def _task(recipe: Recipe, name: str) -> tuple[Spec, TaskContext]:
    if name in recipe.tasks:
        return recipe.tasks[name], TaskContext(recipe.root)
    if name in NAMED_TASKS:
        named = NAMED_TASKS.get(name)
        return named.spec, TaskContext(named.root or recipe.root)
    known = [*recipe.tasks, *NAMED_TASKS.names()]
    raise RecipeError(f"recipe {recipe.name!r}: data names the task {name!r}, which is unknown", nearest(name, known))
