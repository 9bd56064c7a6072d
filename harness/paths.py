"""Where things live between runs: one cache directory a user, and atomic files in it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import platformdirs

CACHE_VARIABLE = "ASSAY_CACHE_DIR"


def cache_dir() -> Path:
    """The user's cache directory (`ASSAY_CACHE_DIR`, else the platform's), created if missing."""
    configured = os.environ.get(CACHE_VARIABLE)
    path = Path(configured).expanduser() if configured else Path(platformdirs.user_cache_dir("adapter-assay", False))
    path.mkdir(parents=True, exist_ok=True)
    return path


def write_atomic(path: Path, data: str | bytes) -> None:
    """Write a file by a temporary neighbour and a rename: a reader sees the old bytes or the new ones, never half.

    Raises:
        OSError: it could not be written; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with partial.open("wb") as stream:
            stream.write(data.encode() if isinstance(data, str) else data)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
