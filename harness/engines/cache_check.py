"""Looking for damage in the answer cache, and dropping what is damaged."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from harness.engines.answer_rows import unpack
from harness.engines.cache_file import BrokenFileError, connect, is_damage, locked, transaction
from harness.engines.cache_recovery import renew

_MESSAGES = 3


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
    """Look at every page and every answer of the file.

    Raises:
        sqlite3.Error, OSError: it cannot be read, for no fault of its own.
    """
    with locked(path):
        return _check(path)


def repair(path: Path) -> str:
    """Drop what `check` finds; what was done, or nothing.

    Raises:
        sqlite3.Error, OSError: it cannot be done.
    """
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
            messages += [row[0] for row in connection.execute(f"PRAGMA integrity_check({_MESSAGES})")]
            query = "SELECT rowid, key, kind, checksum, answer FROM answers NOT INDEXED ORDER BY rowid"
            for rowid, *parts in connection.execute(query):
                answers += 1
                if unpack(*parts) is None:
                    bad.append(rowid)
    except BrokenFileError as exc:
        return Health(broken=str(exc))
    except sqlite3.Error as exc:
        if not is_damage(path, exc):
            raise
        messages.append(str(exc))
    wrong = "; ".join(message for message in messages if message != "ok")
    return Health(answers, tuple(bad), f"is damaged: {wrong}" if wrong else "")
