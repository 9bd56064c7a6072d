"""What a check found, put as a check: how many rows, the first of them by name, all of them in the details."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.gates import Check

SHOWN = 3
"""Places named in a reason; the details have more."""

KEPT = 100
"""Findings kept in the details."""


@dataclass(frozen=True)
class Finding:
    """One row and what is wrong with it.

    Attributes:
        place: file and row.
        other: the row or item it collides with.
    """

    place: str
    problem: str
    other: str = ""


def share_check(
    name: str,
    findings: Sequence[Any],
    total: int,
    limit: float,
    *,
    fault: str,
    sound: str,
    remedy: str,
    counted: str = "rows",
    details: dict[str, Any] | None = None,
) -> Check:
    """Holds while the share of rows with a finding is at most `limit`.

    Args:
        findings: dataclasses with `place` and `problem`, one a row.
        total: rows looked at.
        fault: what the rows found are or have ("are longer than 104 tokens"), after their number.
        sound: what was seen where none was found.
        counted: what `total` counts.
    """
    share = len(findings) / total if total else 0.0
    shown = "; ".join(f"{one.place}: {one.problem}" for one in findings[:SHOWN])
    more = f"; and {len(findings) - SHOWN} more" if len(findings) > SHOWN else ""
    seen = f"{len(findings)} of {total} {counted} ({share:.1%}) {fault}, {_limit(limit)}: {shown}{more}"
    return Check(
        name,
        holds=share <= limit,
        reason=seen if findings else sound,
        remedy=remedy,
        details={
            "looked_at": total,
            "found": len(findings),
            "allowed_share": limit,
            **(details or {}),
            "findings": [{k: v for k, v in asdict(one).items() if v != ""} for one in findings[:KEPT]],
        },
    )


def _limit(limit: float) -> str:
    return f"at most {limit:.1%} allowed" if limit else "none allowed"
