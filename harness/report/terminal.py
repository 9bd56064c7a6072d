"""Tables for a terminal, a log or a pipe: the same plain text in all of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.report.text import printable

_GAP = 2


def table_text(rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> str:
    """Rows under one another, a line each, in columns as wide as their widest cell, whatever the terminal's width.

    Nothing is cut, for ids are copied from here, and nothing is coloured. Cells are shown as they are, markup of rich
    and control characters included; line feeds and tabs become spaces.

    Args:
        right: columns that are aligned to the right, by their place.
    """
    cells = [[printable(cell).replace("\n", " ").replace("\t", " ") for cell in row] for row in rows]
    grid = Table.grid(padding=(0, _GAP))
    for place in range(len(cells[0])):
        grid.add_column(justify="right" if place in right else "left", no_wrap=True)
    for row in cells:
        grid.add_row(*map(Text, row))
    room = sum(2 * len(cell) + _GAP for row in cells for cell in row)  # a character is at most two columns wide
    console = Console(width=room, height=len(cells), color_system=None)  # without a height, TERM=dumb sets the width
    with console.capture() as captured:
        console.print(grid)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
