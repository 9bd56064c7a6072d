"""Markdown out of rows and texts."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells may hold Markdown, but no new line."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def code(value: object) -> str:
    """As code; empty for nothing."""
    return "" if value in (None, "") else f"`{value}`"


def prose(docstring: str | None) -> str:
    """A docstring for readers: paragraphs in one line each, `Example:` as Python, no sections on arguments or errors."""
    text, _, example = inspect.cleandoc(docstring or "").partition("\n\nExample:\n")
    text = re.split(r"\n\n(?=(?:Args|Attributes|Returns|Raises|Yields):\n)", text)[0]
    blocks = [block if block.startswith(("-", "|")) else " ".join(block.split()) for block in text.split("\n\n")]
    if example:
        blocks.append(f"```python\n{textwrap.dedent(example)}\n```")
    return "\n\n".join(blocks)


def first_paragraph(docstring: str | None) -> str:
    """What a thing is, in one line, without references to other code."""
    return re.sub(r" \((?:see )?`[^`]+`\)", "", prose(docstring).split("\n\n")[0])


def sentence(test_name: str) -> str:
    """`test_rows_can_be_read` as "Rows can be read"."""
    words = test_name.removeprefix("test_").replace("_", " ")
    words = words[:1].upper() + words[1:]
    for plain, written in (("base s", "base's"), ("the bases", "the base's"), ("Json", "JSON"), ("Lora b", "LoRA B")):
        words = words.replace(plain, written)
    return words
