"""What shows how far a piece of work is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Protocol


class Display(Protocol):
    """Shows how far a piece of work is."""

    def answered(self, done: int, total: int) -> None:
        """So many answers are there, cached ones included, of those wanted."""

    def computed(self, answers: int, seconds: float) -> None:
        """So many were computed since the last request, in so many seconds."""


class _Silent:
    """Shows nothing."""

    def answered(self, done: int, total: int) -> None: ...

    def computed(self, answers: int, seconds: float) -> None: ...


@contextlib.contextmanager
def silent(label: str) -> Iterator[Display]:
    """The display of a piece of work that nobody watches."""
    yield _Silent()
