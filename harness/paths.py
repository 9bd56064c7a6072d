"""Where things live between runs: one cache directory a user, and atomic files in it."""

from __future__ import annotations

import math
import os
import re
import secrets
import stat
from pathlib import Path

import platformdirs

from harness.errors import ConfigError

CACHE_VARIABLE = "ASSAY_CACHE_DIR"
ANSWERS_LIMIT_VARIABLE = "ASSAY_CACHE_LIMIT"
_DEFAULT_ANSWERS_LIMIT = "4 GiB"


def cache_dir() -> Path:
    """The user's cache directory (`ASSAY_CACHE_DIR`, else the platform's), created if missing."""
    configured = os.environ.get(CACHE_VARIABLE)
    path = Path(configured).expanduser() if configured else Path(platformdirs.user_cache_dir("adapter-assay", False))
    path.mkdir(parents=True, exist_ok=True)
    return path


def answers_file() -> Path:
    """The file of the answer cache; there or not."""
    return cache_dir() / "answers.sqlite"


def answers_limit_bytes() -> int:
    """How large the answer cache may grow (`ASSAY_CACHE_LIMIT`, in GiB or with a unit; 4 GiB)."""
    return parse_size(os.environ.get(ANSWERS_LIMIT_VARIABLE) or _DEFAULT_ANSWERS_LIMIT, ANSWERS_LIMIT_VARIABLE)


def write_atomic(path: Path, data: str | bytes) -> None:
    """Write a file by a temporary neighbour and a rename: a reader sees the old bytes or the new ones, never half.

    A file that is there keeps its mode.

    Raises:
        OSError: it could not be written; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with partial.open("wb") as stream:
            if path.exists():
                partial.chmod(stat.S_IMODE(path.stat().st_mode))
            stream.write(data.encode() if isinstance(data, str) else data)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([KMGT])(?:i?B)?)?", re.IGNORECASE)


def parse_size(text: str, name: str) -> int:
    """A size in bytes.

    Args:
        text: a number of GiB, or a number with K, M, G or T (`500MiB`, `2g`); powers of 1024 all.
        name: of the option or variable, for the error.

    Raises:
        ConfigError: it is no size, or none at all.
    """
    found = _FORM.fullmatch(text.strip())
    power = "BKMGT".index((found[2] or "G").upper()) if found else 0
    size = math.floor(float(found[1]) * 1024**power) if found else 0
    if size <= 0:
        raise ConfigError(f"{name}={text} is not a size", "write a number of GiB (4, 0.5), or one with a unit: 500MiB")
    return size


def show_size(size_bytes: int) -> str:
    """With three digits and the unit that fits: `12.3 MiB`."""
    power = min(len(_UNITS) - 1, max(0, size_bytes.bit_length() - 1) // 10)
    return f"{size_bytes / 1024**power:.{0 if power == 0 else 1}f} {_UNITS[power]}"
