"""What is in the answer cache, and dropping what is not needed."""

from __future__ import annotations

import math
import sqlite3
from dataclasses import dataclass

from harness.engines.cache.file import UNKNOWN_MODEL, transaction

_MOST_ROWS_DROPPED_AT_ONCE = 200_000  # other processes wait for as long as this takes
_FEWEST_ROWS_DROPPED_AT_ONCE = 100
_END_OF_TIME_S = 253_402_300_799  # of year 9999: a damaged row must still be one that can be shown


@dataclass(frozen=True)
class Holding:
    """What the cache has of one model and kind of answer.

    Attributes:
        model: digest of its identity.
        first_used: oldest last use, in seconds since 1970, to the day; `last_used` the newest.
    """

    model: str
    kind: str
    answers: int
    first_used: int
    last_used: int


def size_bytes(connection: sqlite3.Connection) -> int:
    """Of the pages in use; the file may be larger for what waits in its log."""
    query = "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
    return int(connection.execute(query).fetchone()[0])


def holdings(connection: sqlite3.Connection) -> list[Holding]:
    """What is in the cache, the model used last first."""
    query = f"""
        SELECT coalesce(digest, ?), kind, count(*), {_moment("min(used)")}, {_moment("max(used)")}
        FROM answers LEFT JOIN models ON models.id = answers.model GROUP BY model, kind ORDER BY max(used) DESC, 1, 2
    """
    return [Holding(*row) for row in connection.execute(query, (UNKNOWN_MODEL,))]


def _moment(used: str) -> str:
    return f"max(0, min(CAST({used} AS INTEGER), {_END_OF_TIME_S}))"


def drop_oldest(connection: sqlite3.Connection, to_bytes: int, *, above: int | None = None) -> int:
    """Drop the answers unused for longest until the rest takes no more than `to_bytes`.

    Args:
        above: do nothing unless it takes more than this, as when another process has just dropped some.

    Returns:
        How many were dropped.
    """
    dropped = 0
    while True:
        with transaction(connection):
            size = size_bytes(connection)
            (rows,) = connection.execute("SELECT count(*) FROM answers").fetchone()
            if rows == 0 or size <= max(to_bytes, above or 0):
                break
            share = math.ceil(rows * (size - to_bytes) / size)
            share = min(max(share, _FEWEST_ROWS_DROPPED_AT_ONCE), _MOST_ROWS_DROPPED_AT_ONCE)
            oldest = "SELECT rowid FROM answers ORDER BY used, rowid LIMIT ?"
            dropped += connection.execute(f"DELETE FROM answers WHERE rowid IN ({oldest})", (share,)).rowcount
        above = None
    shrink(connection)
    return dropped


def drop_unused(connection: sqlite3.Connection, since: float) -> int:
    """Drop the answers not used since then (seconds since 1970); how many they were."""
    with transaction(connection):
        return connection.execute("DELETE FROM answers WHERE used < ?", (since,)).rowcount


def drop_model(connection: sqlite3.Connection, digest: str) -> int:
    """Drop a model's answers; how many they were."""
    with transaction(connection):
        query = "DELETE FROM answers WHERE model IN (SELECT id FROM models WHERE digest = ?)"
        return connection.execute(query, (digest,)).rowcount


def shrink(connection: sqlite3.Connection) -> None:
    """Give free pages back to the disk."""
    with transaction(connection):
        connection.execute("DELETE FROM models WHERE id NOT IN (SELECT model FROM answers)")
    # It frees a page a step, and `execute` stops after the first.
    connection.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)")
