"""Training examples out of a data file."""

from __future__ import annotations

from pathlib import Path

from harness.tasks.layouts import Example, detect_layout, parse_example
from harness.tasks.records import read_records

__all__ = ["Example", "read_examples"]


def read_examples(path: Path, layout: str = "auto") -> list[Example]:
    """Read every row of a file as a prompt and its completion.

    Args:
        path: a `.jsonl`, `.json` or `.csv` file.
        layout: `alpaca`, `sharegpt`, `messages`, `prompt_completion`, or `auto`: told from the first row's fields.

    Raises:
        DataError: the file or one of its rows cannot be read; the message names row and field.
    """
    records = read_records(path)
    name = detect_layout(records[0]) if layout == "auto" else layout
    return [parse_example(record, name) for record in records]
