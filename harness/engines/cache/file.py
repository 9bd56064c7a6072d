"""The SQLite file of the answer cache: made whole or not at all, and checked when it is opened."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

from harness.engines.cache.rows import Row
from harness.errors import EngineError
from harness.locks import held

APPLICATION_ID = 0x41737361
SCHEMA_VERSION = 2
_SCHEMA = {
    "models": "CREATE TABLE models (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE)",
    # Not WITHOUT ROWID: rows in the order of their coming are pruned a page at a time, and the file really shrinks.
    "answers": "CREATE TABLE answers (key BLOB NOT NULL UNIQUE, model INTEGER NOT NULL, used INTEGER NOT NULL, "
    "kind TEXT NOT NULL, checksum BLOB NOT NULL, answer BLOB NOT NULL)",
}
_BUSY_TIMEOUT_S = 60.0
_WAL_LIMIT_BYTES = 64 << 20
# What SQLite says of a file whose bytes are wrong. TOOBIG: a damaged length; ERROR: a damaged schema ("no such table").
_DAMAGE = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_FORMAT,
        sqlite3.SQLITE_TOOBIG,
        sqlite3.SQLITE_ERROR,
    }
)
_UNWRITABLE = "make the directory and the files in it yours and writable, or set ASSAY_CACHE_DIR to another directory"
_FAILING = "that disk may be failing: set ASSAY_CACHE_DIR to a directory on another"
_REMEDIES = {
    sqlite3.SQLITE_READONLY: _UNWRITABLE,
    sqlite3.SQLITE_CANTOPEN: _UNWRITABLE,
    sqlite3.SQLITE_PERM: _UNWRITABLE,
    sqlite3.SQLITE_FULL: "free space on that disk, or set ASSAY_CACHE_DIR to another; what was stored before is kept",
    sqlite3.SQLITE_BUSY: "another process has held it for a minute: end that one, or set ASSAY_CACHE_DIR to another "
    "directory",
}

UNKNOWN_MODEL = "unknown"
"""In place of the digest of a model that could not be read."""

SUFFIXES = ("-wal", "-shm", "")
"""Of the files that make up a database; its log first, so that a kill amid moving them never leaves a log behind."""


class BrokenFileError(Exception):
    """The file cannot be used as it is; its text says why, as the end of "the answer cache ..."."""


def locked(path: Path) -> AbstractContextManager[None]:
    """Held while the file is opened, made or replaced: nobody opens half of the old one and half of the new."""
    return held(Path(f"{path}.lock"), f"opening {path.name}")


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, which must be there. Hold the lock.

    Raises:
        BrokenFileError: it is damaged, or of another version.
        sqlite3.Error: it is in order and cannot be used.
    """
    if path.stat().st_size == 0:  # SQLite takes an empty file for a new one
        raise BrokenFileError("is damaged: it is empty")
    connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
    try:
        connection.text_factory = _decode
        _check(connection)
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA journal_size_limit={_WAL_LIMIT_BYTES}")
    except BaseException as exc:
        connection.close()
        if isinstance(exc, sqlite3.Error) and is_damage(path, exc):
            raise BrokenFileError(f"is damaged: {exc}") from exc
        raise
    return connection


def create(path: Path, rows: Iterable[tuple[str, int, Row]] = ()) -> int:
    """Make the file, readable by its owner alone, with some (model digest, last use, row). Hold the lock.

    Returns:
        How many rows it has.
    """
    new = path.with_name(f".{path.name}.new")
    for suffix in SUFFIXES:
        new.with_name(new.name + suffix).unlink(missing_ok=True)
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with closing(sqlite3.connect(new, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")  # until it is whole
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=WAL")
        with transaction(connection):
            for statement in _SCHEMA.values():
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            for model, used, row in rows:
                insert(connection, model, used, [row])
        count: int = connection.execute("SELECT count(*) FROM answers").fetchone()[0]
    with new.open("rb") as file:
        os.fsync(file.fileno())
    for suffix in SUFFIXES:  # a log left by a file that someone deleted would be taken for this one's
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    new.rename(path)
    return count


def insert(connection: sqlite3.Connection, model: str, used: int, rows: Iterable[Row]) -> None:
    """Store rows of one model, in place of those of the same keys. Within a transaction."""
    found = connection.execute("SELECT id FROM models WHERE digest = ?", (model,)).fetchone()
    model_id = found[0] if found else connection.execute("INSERT INTO models (digest) VALUES (?)", (model,)).lastrowid
    connection.executemany(
        "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)",
        [(row.key, model_id, used, row.kind, row.checksum, row.answer) for row in rows],
    )


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of what is written inside, or nothing."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


def is_damage(path: Path, exc: sqlite3.Error) -> bool:
    """Whether the file's bytes are to blame, rather than the disk, its permissions or another process."""
    if _code(exc) == sqlite3.SQLITE_READONLY:  # SQLite reads a damaged format number so
        return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    return _code(exc) in _DAMAGE


def refusal(path: Path, exc: Exception) -> EngineError:
    """What to tell of a file that cannot be used, for no fault of its own or after it was begun anew."""
    return EngineError(f"the answer cache {path} cannot be used: {exc}", _REMEDIES.get(_code(exc), _FAILING))


def _code(exc: Exception) -> int:
    """SQLite's primary result code, or what it would say of an error of the system; 0 for any other."""
    if isinstance(exc, OSError):
        return sqlite3.SQLITE_FULL if exc.errno in (errno.ENOSPC, errno.EDQUOT) else sqlite3.SQLITE_CANTOPEN
    return int(getattr(exc, "sqlite_errorcode", 0)) & 0xFF


def _check(connection: sqlite3.Connection) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if (application, version) != (APPLICATION_ID, SCHEMA_VERSION):
        raise BrokenFileError(f"was not written by this version of adapter-assay (schema {version})")
    if dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'")) != _SCHEMA:
        raise BrokenFileError("is damaged: its tables are not those it was made with")


def _decode(text: bytes) -> str:
    return text.decode("utf-8", "replace")  # a damaged row must be a miss, not an error
