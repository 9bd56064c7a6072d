"""How long an answer takes here: kept of each task that was measured on this machine, for the estimate of later runs."""

from __future__ import annotations

from typing import Any

from harness.digests import digest_json
from harness.json_files import keep_json, kept_json
from harness.paths import cache_dir

_FEWEST_ANSWERS = 8
"""Fewer say more about the first batch than about the task."""


def speed_key(base_digest: str, device: str, task_digest: str) -> str:
    """What the speed depends on, as far as can be told: the base as it is computed, where, and how the task asks."""
    return digest_json([base_digest, device, task_digest])[:32]


def keep_speed(key: str, answers: int, seconds: float) -> None:
    """Keep the newest measurement. Of two processes that do at once one may be lost, and so may one that cannot be written."""
    if answers >= _FEWEST_ANSWERS and seconds > 0:
        keep_json(_file(), {**_all(), key: round(seconds / answers, 6)})


def seconds_an_answer(key: str) -> float | None:
    """As last measured; None where it never was."""
    found = _all().get(key)
    return float(found) if isinstance(found, int | float) else None


def _all() -> dict[str, Any]:
    known = kept_json(_file())
    return known if isinstance(known, dict) else {}


def _file() -> Any:
    return cache_dir() / "speeds.json"
