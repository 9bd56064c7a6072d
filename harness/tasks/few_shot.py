"""Questions put as text with solved examples before them, as the knowledge and mathematics benchmarks do.

Text and not a conversation: what is asked here is what the weights still know, whatever turn format they were tuned to.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.errors import TaskError
from harness.tasks.base import Item
from harness.tasks.items import ItemReader, ReadTarget
from harness.tasks.options import Options
from harness.tasks.records import read_records

FEW_SHOT_KEYS = ("examples", "shots")


def question_text(item: Item) -> str:
    """The item's question as text; a system prompt stands before it."""
    return "\n\n".join(message.content for message in item.prompt.messages)


def read_preamble(options: Options, reader: ItemReader, target: ReadTarget, solved: Callable[[Item], str]) -> str:
    """The first `shots` rows of the file `examples`, each with its answer and a blank line after it.

    Args:
        solved: question and answer of one example, worded as the task words its questions.

    Raises:
        TaskError: one of the two keys is given without the other, or the file has too few rows.
        DataError: the file cannot be read, or a row does not fit.
    """
    path, shots = options.text("examples"), options.count("shots")
    if path is None and shots is None:
        return ""
    if path is None or shots is None:
        given, lacking = ("shots", "examples") if path is None else ("examples", "shots")
        raise TaskError(f"task {options.task!r} has {given!r} but no {lacking!r}", f"add `{lacking}: ...` to the task")
    records = read_records(options.root / path)
    if len(records) < shots:
        raise TaskError(f"task {options.task!r}: shots is {shots}, but {path} has {len(records)} rows", "ask for fewer")
    return "".join(f"{solved(item)}\n\n" for item in reader.read(records[:shots], target))
