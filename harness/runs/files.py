"""Files that are either whole or absent, and errors that say which one could not be written."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from harness.errors import RunError
from harness.paths import write_atomic

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        RunError: the file could not be written; says what, how large, where, why, and what is kept.
    """
    try:
        write_atomic(path, data)
    except OSError as error:
        raise write_error(path, len(data), error) from error


def write_error(path: Path, size: int, error: OSError) -> RunError:
    """The RunError for a failed write of `size` bytes to `path`."""
    problem = f"cannot write {path.name} ({human_bytes(size)}) to {path.parent}: {error.strerror or error}"
    if error.errno not in _FULL:
        return RunError(problem, "check that the directory exists and may be written to")
    free = _free_bytes(path.parent)
    at_hand = "" if free is None else f" ({human_bytes(free)} are free there)"
    return RunError(
        problem,
        f"free at least {human_bytes(2 * size)} on that disk{at_hand} or raise its quota, then start again: what was "
        "already written stays in the run's .partial directory, and answers already computed come from the cache",
    )


def human_bytes(size: float) -> str:
    """A size for people: `812 B`, `1.4 MB` (decimal units)."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def _free_bytes(directory: Path) -> int | None:
    try:
        return shutil.disk_usage(directory).free
    except OSError:
        return None
