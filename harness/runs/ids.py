"""Names of runs and of their directories."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import RunError

_VALID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def new_run_id() -> str:
    """A run id that sorts by time: UTC to the second and six random hex digits, `20260131T094500Z-3fa9c1`."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def check_run_id(run_id: str) -> str:
    """`run_id` itself.

    Raises:
        RunError: it would not be a plain directory name.
    """
    if not _VALID.fullmatch(run_id):
        raise RunError(
            f"run id {run_id!r} is not a plain name", "use letters, digits, '.', '_' and '-', at most 100 of them"
        )
    return run_id


def partial_path(root: Path, run_id: str) -> Path:
    """The hidden directory an unfinished run lives in."""
    return root / f".{run_id}.partial"


def is_partial(path: Path) -> bool:
    """Whether a path is that of an unfinished run."""
    return path.name.startswith(".") and path.name.endswith(".partial")
