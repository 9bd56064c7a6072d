"""What this package has to say while it works, on the terminal: pytest would keep it to itself unless a test fails."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager

from harness.errors import printable

_LOGGER = logging.getLogger("harness")


class Notices(logging.Handler):
    """Prints each message of the package's loggers once.

    Args:
        on_terminal: a context in which what is written is seen.
    """

    def __init__(self, on_terminal: Callable[[], AbstractContextManager[None]]) -> None:
        super().__init__(logging.INFO)
        self._on_terminal = on_terminal
        self._told: set[str] = set()
        self._level_before = _LOGGER.level

    def emit(self, record: logging.LogRecord) -> None:
        """Print it, above a bar where there is one."""
        from tqdm import tqdm

        text = printable(record.getMessage())
        if text not in self._told:
            self._told.add(text)
            with self._on_terminal():
                tqdm.write(f"assay: {text}", file=sys.stderr)

    def start(self) -> None:
        """Listen from now on."""
        _LOGGER.addHandler(self)
        if _LOGGER.getEffectiveLevel() > logging.INFO:
            _LOGGER.setLevel(logging.INFO)

    def stop(self) -> None:
        """Listen no more."""
        _LOGGER.removeHandler(self)
        _LOGGER.setLevel(self._level_before)
