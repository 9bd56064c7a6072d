"""Text that is safe to show and numbers that are easy to read.

Model output is hostile: it may hold markup, terminal codes, text that runs backwards, or bytes no document may hold.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from harness.errors import on_one_line
from harness.errors import printable as printable

_MARKDOWN = re.compile(r"[&<>|`*\[\](){}#!~\\$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=//)")
_MINUS = "\u2212"
_COLUMN_GAP = 2
NOTHING = "\u2013"
"""What is shown where there is no value."""


def shorten(text: str, limit: int) -> str:
    """At most about `limit` characters of `text`: its head and its tail, and between them how many were left out."""
    if len(text) <= limit:
        return text
    tail = limit // 3
    head = limit - tail
    return f"{text[:head]}\n[... {len(text) - limit:,} characters left out ...]\n{text[-tail:]}"


def one_line(text: str, limit: int = 300) -> str:
    """`text` on one line of at most `limit` characters."""
    line = on_one_line(text)
    return line if len(line) <= limit else line[: limit - 1] + "\u2026"


def markdown(text: str, limit: int = 300) -> str:
    """Text as one line of Markdown that means itself: no markup, table cell, link or mention survives."""
    escaped = _MARKDOWN.sub(lambda match: f"&#{ord(match.group())};", one_line(text, limit))
    return escaped.replace("@", "@\u200b").replace("www.", "www\u200b.")


def figure(value: float | None, *, signed: bool = False) -> str:
    """A number with about three significant places: `0.975`, `+0.050`, `1,204`, `2.0e-04`."""
    if value is None:
        return NOTHING
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("\u221e" if value > 0 else f"{_MINUS}\u221e")
    size = abs(value)
    if size and size < 0.0005:
        text = f"{size:.1e}"
    else:
        text = f"{size:,.{3 if size < 10 else 2 if size < 100 else 1 if size < 1000 else 0}f}"
    sign = _MINUS if value < 0 else ("+" if signed and value > 0 else "")
    return sign + text


def duration(seconds: float | None) -> str:
    """A time span: `0.4 s`, `48 s`, `4 min 12 s`, `2 h 05 min`."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    if seconds < 10:
        return f"{seconds:.1f} s"
    total = round(seconds)
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60:02d} s"
    return f"{total // 3600} h {total % 3600 // 60:02d} min"


def moment(value: Any) -> str:
    """An ISO time for people, `22 Nov 2026, 06:11 UTC`; what is no ISO time is shown as it is."""
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError:
        return str(value)
    return f"{time.day} {time:%b %Y, %H:%M} {time.tzname() or ''}".strip()


def plural(count: int, noun: str) -> str:
    """`1 gate`, `2 gates`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def table_text(rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> str:
    """Rows under one another, a line each, in columns as wide as their widest cell, whatever the terminal's width.

    Nothing is cut, for ids are copied from here, and nothing is coloured. Cells are shown as they are, markup of rich
    and control characters included; line feeds and tabs become spaces.

    Args:
        right: columns that are aligned to the right, by their place.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [[printable(cell).replace("\n", " ").replace("\t", " ") for cell in row] for row in rows]
    grid = Table.grid(padding=(0, _COLUMN_GAP))
    for place in range(len(cells[0])):
        grid.add_column(justify="right" if place in right else "left", no_wrap=True)
    for row in cells:
        grid.add_row(*map(Text, row))
    room = sum(2 * len(cell) + _COLUMN_GAP for row in cells for cell in row)  # a character is at most two columns wide
    console = Console(width=room, height=len(cells), color_system=None)  # without a height, TERM=dumb sets the width
    with console.capture() as captured:
        console.print(grid)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
