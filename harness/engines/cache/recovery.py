"""What is done about a broken answer cache: found by looking at all of it, set aside, begun anew with what can be saved."""

from __future__ import annotations

import sqlite3
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.engines.cache.file import (
    SUFFIXES,
    UNKNOWN_MODEL,
    BrokenFileError,
    connect,
    create,
    is_damage,
    locked,
    transaction,
)
from harness.engines.cache.rows import Row, unpack
from harness.paths import show_size

_MESSAGES_SHOWN = 3


class CacheWarning(UserWarning):
    """The answer cache had to be begun anew."""


def open_or_renew(path: Path) -> sqlite3.Connection:
    """Open the file; make it if it is missing, replace it if it is broken. Hold the lock."""
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


@dataclass(frozen=True)
class Health:
    """What was found.

    Attributes:
        answers: rows that could be read.
        bad_rows: rowids of those that are no answer to their key.
        broken: what is wrong with the file as a whole, as in `BrokenFileError`; empty where nothing is.
    """

    answers: int = 0
    bad_rows: tuple[int, ...] = ()
    broken: str = ""

    @property
    def problem(self) -> str:
        """The end of "the answer cache ..."; empty where all is well."""
        if self.broken or not self.bad_rows:
            return self.broken
        return f"has {len(self.bad_rows):,} damaged answers among {self.answers:,}"


def check(path: Path) -> Health:
    """Look at every page and every answer of the file."""
    with locked(path):
        return _check(path)


def repair(path: Path) -> str:
    """Drop what `check` finds; what was done, or nothing."""
    with locked(path):
        health = _check(path)
        if health.broken:
            return renew(path, health.broken)
        if not health.bad_rows:
            return ""
        with closing(connect(path)) as connection, transaction(connection):
            connection.executemany("DELETE FROM answers WHERE rowid = ?", [(row,) for row in health.bad_rows])
        return f"the answer cache {path} {health.problem}: dropped, and computed again when they are asked for"


def _check(path: Path) -> Health:
    answers, bad, messages = 0, list[int](), list[str]()
    try:
        with closing(connect(path)) as connection:
            messages += [row[0] for row in connection.execute(f"PRAGMA integrity_check({_MESSAGES_SHOWN})")]
            for rowid, _, _, row in _walk(connection):
                answers += 1
                if row is None:
                    bad.append(rowid)
    except BrokenFileError as exc:
        return Health(broken=str(exc))
    except sqlite3.Error as exc:
        if not is_damage(path, exc):
            raise
        messages.append(str(exc))
    wrong = "; ".join(message for message in messages if message != "ok")
    return Health(answers, tuple(bad), f"is damaged: {wrong}" if wrong else "")


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
        models: dict[int, str] = {}
        with suppress(sqlite3.Error):  # without it the answers are as good: the key holds the model's digest too
            models |= dict(connection.execute("SELECT id, digest FROM models"))
        for order in ("ASC", "DESC"):
            with suppress(sqlite3.Error):
                for _, model, used, row in _walk(connection, order):
                    if row is not None:
                        yield models.get(model, UNKNOWN_MODEL), used if isinstance(used, int) else 0, row
                return


def _walk(connection: sqlite3.Connection, order: str = "ASC") -> Iterator[tuple[int, int, Any, Row | None]]:
    """Each row's rowid, model, last use, and the row itself where it is an answer to its key."""
    query = f"SELECT rowid, model, used, key, kind, checksum, answer FROM answers NOT INDEXED ORDER BY rowid {order}"
    for rowid, model, used, *parts in connection.execute(query):
        yield rowid, model, used, Row(*parts) if unpack(*parts) is not None else None
