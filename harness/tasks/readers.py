"""Training examples out of a data file."""

from __future__ import annotations

from pathlib import Path

from harness.tasks.layouts import Example, detect_format, parse_example
from harness.tasks.records import read_records

__all__ = ["Example", "read_examples"]


def read_examples(path: Path, format_name: str = "auto") -> list[Example]:
    """Read every row of a file as a prompt and its completion.

    Args:
        path: a `.jsonl`, `.json` or `.csv` file.
        format_name: `alpaca`, `sharegpt`, `messages`, `prompt_completion`, one of a plugin, or `auto`: told from the first row.

    Raises:
        DataError: the file or one of its rows cannot be read; the message names row and field.
    """
    records = read_records(path)
    name = detect_format(records[0]) if format_name == "auto" else format_name
    return [parse_example(record, name) for record in records]
