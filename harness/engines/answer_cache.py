"""Answers by content: the key is the model's identity and the request, so a stale answer cannot be found.

One SQLite file (WAL) shared by processes. It is the resume mechanism and the base-result store at once.
A row that is torn or was written by something else is a miss, never a wrong answer.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.digests import digest_json
from harness.engines.requests import Answer, Divergence, Generation, Request, Score
from harness.errors import EngineError

_KINDS: dict[str, type[Answer]] = {"generation": Generation, "score": Score, "divergence": Divergence}
_LOOKUP_ROWS = 500
_BUSY_TIMEOUT_S = 60.0


def answer_key(identity_digest: str, request: Request) -> str:
    """The key of an answer: SHA-256 over the model's identity and the request (its seed included)."""
    return digest_json([identity_digest, request.digest])


class AnswerCache:
    """A store of answers on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer BLOB NOT NULL) WITHOUT ROWID"
        )

    def get(self, keys: Sequence[str]) -> dict[str, Answer]:
        """The answers there are, by key, marked as cached."""
        found: dict[str, Answer] = {}
        for start in range(0, len(keys), _LOOKUP_ROWS):
            part = keys[start : start + _LOOKUP_ROWS]
            marks = ",".join("?" * len(part))
            for key, blob in self._connection.execute(f"SELECT key, answer FROM answers WHERE key IN ({marks})", part):
                answer = _unpack(key, blob)
                if answer is not None:
                    found[key] = answer
        return found

    def put(self, answers: Mapping[str, Answer]) -> None:
        """Store answers in one transaction.

        Raises:
            EngineError: they cannot be stored; those stored before stay.
        """
        rows = [(key, _pack(key, answer)) for key, answer in answers.items()]
        try:
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                self._connection.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?)", rows)
        except sqlite3.OperationalError as exc:
            raise EngineError(
                f"{len(rows)} answers cannot be stored in {self._path}: {exc}",
                "free space on that disk, or set ASSAY_CACHE_DIR to another; what was stored before is kept",
            ) from exc

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _pack(key: str, answer: Answer) -> bytes:
    fields = {k: v for k, v in asdict(answer).items() if k != "cached"}
    kind = type(answer).__name__.lower()
    # The key inside the row, under zlib's checksum, tells a foreign or torn row from a good one.
    return zlib.compress(json.dumps({"key": key, "kind": kind, "answer": fields}).encode())


def _unpack(key: str, blob: bytes) -> Answer | None:
    try:
        row: dict[str, Any] = json.loads(zlib.decompress(blob))
        if row["key"] != key:
            return None
        return _KINDS[row["kind"]](**row["answer"], cached=True)
    except (zlib.error, ValueError, KeyError, TypeError):
        return None
