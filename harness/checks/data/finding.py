"""Findings in rows, and the check that their share is small."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.gates import Check

SHOWN = 3
"""Findings named in a reason; the details have more."""

KEPT = 100
"""Findings kept in the details."""


@dataclass(frozen=True)
class Finding:
    """One row and what is wrong with it.

    Attributes:
        location: file and row.
        other: the row or item it collides with.
        kind: which of several kinds of problem.
    """

    location: str
    problem: str
    other: str = ""
    kind: str = ""

    def row(self) -> dict[str, str]:
        """What the details keep of it."""
        fields = {"place": self.location, "problem": self.problem, "other": self.other, "kind": self.kind}
        return {name: value for name, value in fields.items() if value}


def share_check(
    name: str,
    findings: Sequence[Finding],
    total: int,
    limit: float,
    *,
    fault: str,
    sound: str,
    remedy: str,
    counted: str = "rows",
    by_chance: int = 0,
    details: dict[str, Any] | None = None,
) -> Check:
    """Holds while the share of rows with a finding is at most `limit`; an error where there are no rows.

    Args:
        findings: one a row.
        total: rows looked at.
        fault: what the rows found are or have ("are longer than 104 tokens"), after their number.
        sound: what was seen where none was found.
        counted: what `total` counts.
        by_chance: so many of the findings may be false ones, and do not count.
    """
    if not total:
        unread = "correct what data/layout or data/rendering names: nothing was read that this could look at"
        return Check(name, False, f"there are no {counted} to look at", unread, {"looked_at": 0}, looked_at=0)
    share = len(findings) / total
    shown = "; ".join(f"{one.location}: {one.problem}" for one in findings[:SHOWN])
    more = f"; and {len(findings) - SHOWN} more" if len(findings) > SHOWN else ""
    chance = f" beside {by_chance} that may be false hits" if by_chance else ""
    seen = f"{len(findings)} of {total} {counted} ({share:.1%}) {fault}, {allowed(limit)}{chance}: {shown}{more}"
    return Check(
        name,
        holds=len(findings) - by_chance <= limit * total,
        reason=seen if findings else sound,
        remedy=remedy,
        details={
            "looked_at": total,
            "found": len(findings),
            "allowed_share": limit,
            **({"allowed_by_chance": by_chance} if by_chance else {}),
            **(details or {}),
            "findings": [one.row() for one in findings[:KEPT]],
        },
    )


def allowed(limit: float) -> str:
    """A limit in words."""
    return f"at most {limit:.1%} allowed" if limit else "none allowed"
