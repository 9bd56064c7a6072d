"""Answers by content: the key is the model's identity and the request, so a stale answer cannot be found.

One SQLite file (WAL) shared by processes. It is the resume mechanism and the base-result store at once.
A row that is torn or was written by something else is a miss, never a wrong answer.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from harness.digests import digest_json
from harness.engines.cache.file import BrokenFileError, insert, is_damage, locked, refusal, transaction
from harness.engines.cache.recovery import open_or_renew, renew, warn
from harness.engines.cache.rows import pack, unpack
from harness.engines.cache.upkeep import drop_oldest, size_bytes
from harness.engines.requests import Answer, DivergenceRequest, Request

log = logging.getLogger(__name__)

T = TypeVar("T")

_LOOKUP_ROWS = 500
_KEEP_SHARE = 0.9
# Uses are noted to the day: a rerun of today writes nothing.
USE_RESOLUTION_S = 24 * 3600


def answer_key(identity_digest: str, request: Request, base_digest: str | None = None) -> str:
    """The key of an answer: SHA-256 (hex) over the model's identity and the request (its seed included).

    Args:
        base_digest: identity of the base that divergences are from, where the model's own identity does not hold it.
    """
    other = [base_digest] if base_digest is not None and isinstance(request, DivergenceRequest) else []
    return digest_json([identity_digest, request.digest, *other])


class AnswerCache:
    """A store of answers on disk, safe under any number of processes and kills.

    A damaged file, or one of another version, is set aside and begun anew, with a `CacheWarning`.

    Args:
        path: of the file, made if missing.
        limit_bytes: when it grows beyond, the answers unused for longest are dropped; None for no limit.

    Raises:
        EngineError: the file can be neither opened nor made.
    """

    def __init__(self, path: Path, *, limit_bytes: int | None = None) -> None:
        self._path = path
        self._limit_bytes = limit_bytes
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._open()
        except (sqlite3.Error, OSError, BrokenFileError) as exc:
            raise refusal(path, exc) from exc

    def get(self, keys: Sequence[str]) -> dict[str, Answer]:
        """The answers there are, by key, marked as cached."""
        return self._with_connection(lambda connection: _get(connection, keys))

    def known(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that have an answer; it is not noted as used."""
        return self._with_connection(lambda connection: _known(connection, keys))

    def put(self, identity_digest: str, answers: Mapping[str, Answer]) -> None:
        """Store a model's answers by key, in one transaction."""
        rows = [pack(bytes.fromhex(key), answer) for key, answer in answers.items()]

        def store(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                insert(connection, identity_digest, int(time.time()), rows)
            if self._limit_bytes is not None and size_bytes(connection) > self._limit_bytes:
                dropped = drop_oldest(connection, int(_KEEP_SHARE * self._limit_bytes), above=self._limit_bytes)
                log.info("dropped %d answers unused for longest from %s", dropped, self._path)

        self._with_connection(store)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _with_connection(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do work; if the file proves damaged, once more with the one that replaces it.

        Raises:
            EngineError: the file cannot be used; answers stored before stay.
        """
        try:
            self._follow()
            try:
                return work(self._connection)
            except sqlite3.Error as exc:
                if not is_damage(self._path, exc):
                    raise
                self._replace(exc)
            return work(self._connection)
        except (sqlite3.Error, OSError, BrokenFileError) as exc:
            raise refusal(self._path, exc) from exc

    def _open(self) -> None:
        with locked(self._path):
            self._connection = open_or_renew(self._path)
            self._inode = self._path.stat().st_ino

    def _follow(self) -> None:
        """Open the file anew if another process has replaced it, or someone has deleted it."""
        if not self._is_current():
            self._connection.close()
            self._open()

    def _replace(self, damage: sqlite3.Error) -> None:
        with locked(self._path):
            self._connection.close()
            if self._is_current():  # else another process was quicker
                warn(renew(self._path, f"is damaged: {damage}"))
        self._open()

    def _is_current(self) -> bool:
        try:
            return self._path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False


def _known(connection: sqlite3.Connection, keys: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for part, marks in _parts(keys):
        found.update(
            row[0].hex() for row in connection.execute(f"SELECT key FROM answers WHERE key IN ({marks})", part)
        )
    return found


def _parts(keys: Sequence[str]) -> Iterator[tuple[list[bytes], str]]:
    """The keys, as many at once as a query takes, and as many marks to put them for."""
    for start in range(0, len(keys), _LOOKUP_ROWS):
        part = [bytes.fromhex(key) for key in keys[start : start + _LOOKUP_ROWS]]
        yield part, ",".join("?" * len(part))


def _get(connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, Answer]:
    found: dict[str, Answer] = {}
    now = int(time.time())
    unused: list[tuple[int, bytes]] = []
    for part, marks in _parts(keys):
        query = f"SELECT used, key, kind, checksum, answer FROM answers WHERE key IN ({marks})"
        for used, key, kind, checksum, packed in connection.execute(query, part):
            answer = unpack(key, kind, checksum, packed)
            if answer is not None:
                found[key.hex()] = answer
                if not isinstance(used, int) or used <= now - USE_RESOLUTION_S:  # it may be damaged: no checksum
                    unused.append((now, key))
    if unused:
        with transaction(connection):
            connection.executemany("UPDATE answers SET used = ? WHERE key = ?", unused)
    return found
