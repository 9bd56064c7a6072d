"""Content digests: SHA-256 over canonical JSON and over files."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

_CHUNK_BYTES = 1 << 20
# A file this young may still change within one mtime tick (the "racy git" problem).
_SETTLED_S = 2.0


def digest_json(value: object) -> str:
    """SHA-256 (hex) of a JSON value in canonical form: sorted keys, no spaces, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def digest_bytes(data: bytes) -> str:
    """SHA-256 (hex) of bytes."""
    return hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes, read in chunks."""
    sha = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            sha.update(chunk)
    return sha.hexdigest()


def file_stamp(path: Path) -> tuple[int, int, int] | None:
    """Size, mtime and inode of a file, by which what was read of it may be kept; None while it may change and keep them."""
    status = path.stat()
    if time.time() - status.st_mtime <= _SETTLED_S:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino
