"""The id of a run, which is the name of its directory."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime

from harness.errors import RunError

BASELINES = "baselines"
"""The directory beside the runs that keeps the names of some."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def new_run_id() -> str:
    """A run id that sorts by time: UTC to the second and six random hex digits, `20260131T094500Z-3fa9c1`."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def is_run_id(text: str) -> bool:
    """Whether a text can be the id of a run: a plain name of a directory, and not of that of the baselines."""
    return _ID.fullmatch(text) is not None and text.lower() != BASELINES


def check_run_id(run_id: str) -> str:
    """`run_id` itself.

    Raises:
        RunError: it would not be a plain directory name.
    """
    if not is_run_id(run_id):
        raise RunError(
            f"run id {run_id!r} is not a plain name", "use letters, digits, '.', '_' and '-', at most 100 of them"
        )
    return run_id
