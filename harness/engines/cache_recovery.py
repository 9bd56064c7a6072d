"""A broken answer cache is set aside and a new one begun with what can be saved."""

from __future__ import annotations

import sqlite3
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from harness.engines.answer_rows import Row, unpack
from harness.engines.cache_file import SUFFIXES, UNKNOWN_MODEL, BrokenFileError, connect, create
from harness.sizes import show_size


class CacheWarning(UserWarning):
    """The answer cache had to be begun anew."""


def open_or_renew(path: Path) -> sqlite3.Connection:
    """Open the file; make it if it is missing, replace it if it is broken. Hold the lock.

    Raises:
        sqlite3.Error, OSError: neither can be done.
    """
    if not path.exists():
        create(path)
    try:
        return connect(path)
    except BrokenFileError as exc:
        warn(renew(path, str(exc)))
    return connect(path)


def renew(path: Path, reason: str) -> str:
    """Set the file aside and put a new one with its sound answers in its place. Hold the lock.

    Returns:
        What happened, for the user.
    """
    aside = _set_aside(path)
    saved = create(path, _readable_rows(aside))
    return (
        f"the answer cache {path} {reason}. It was set aside as {aside.name} ({show_size(aside.stat().st_size)}), "
        f"and a new one begun with {f'{saved:,}' if saved else 'none'} of its answers; "
        "the others are computed again. Delete that file when nobody wants to look into it."
    )


def warn(message: str) -> None:
    """Tell it where pytest shows it: in the summary of warnings."""
    warnings.warn(CacheWarning(message), stacklevel=2)


def set_aside_files(path: Path) -> list[Path]:
    """Files of this cache that were set aside, oldest first."""
    return sorted(f for f in path.parent.glob(f"{path.name}.broken-*") if not f.name.endswith(SUFFIXES[:2]))


def _set_aside(path: Path) -> Path:
    stamp = f"{path.name}.broken-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    number = len(list(path.parent.glob(f"{stamp}*")))
    aside = path.with_name(f"{stamp}-{number}" if number else stamp)
    for suffix in SUFFIXES:
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    return aside


def _readable_rows(aside: Path) -> Iterator[tuple[str, int, Row]]:
    """Sound rows from both ends up to the first page that cannot be read; none from a file of another version."""
    try:
        connection = connect(aside)
    except (BrokenFileError, sqlite3.Error):
        return
    with closing(connection):
        for order in ("ASC", "DESC"):
            with suppress(sqlite3.Error):
                yield from _sound_rows(connection, order)
                return


def _sound_rows(connection: sqlite3.Connection, order: str) -> Iterator[tuple[str, int, Row]]:
    models: dict[int, str] = {}
    with suppress(sqlite3.Error):  # without it the answers are as good: the key holds the model's digest too
        models |= dict(connection.execute("SELECT id, digest FROM models"))
    query = f"SELECT model, used, key, kind, checksum, answer FROM answers NOT INDEXED ORDER BY rowid {order}"
    for model, used, *parts in connection.execute(query):
        if unpack(*parts) is not None:
            yield models.get(model, UNKNOWN_MODEL), used if isinstance(used, int) else 0, Row(*parts)
