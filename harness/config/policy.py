"""What blocks a release: severities, waivers and the gates that must be there, as the configuration file says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema

from harness.config.base import Section, objection
from harness.records import Severity

WILDCARD = "*"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def _day(given: Any) -> Any:
    text = given.isoformat() if isinstance(given, date) and not isinstance(given, datetime) else given
    if isinstance(text, str) and _DAY.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise objection("no day of the calendar", "give the last day on which the waiver holds, as in until: 2027-03-31")


def _gate(given: Any) -> Any:
    if isinstance(given, str) and WILDCARD in given.partition("/")[0]:
        raise objection(
            "it may name gates of several suites",
            "name the gate as the report gives it, or the suite before the *, as in forgetting/*",
        )
    return given


CRITICAL_REMEDY = (
    "a critical gate cannot be waived: mend what it found, or call it `supporting` under `severities:` and answer "
    "for that"
)

Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
WaivedGate = Annotated[Said, BeforeValidator(_gate)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{12,64}$")]


class WaiverEntry(Section):
    """Somebody's word that a gate may fail for a while. It never waives what is critical or could not be measured."""

    gate: WaivedGate
    """the gate, as the report gives its name, or a pattern with * for any text after the suite's name"""
    who: Said
    """who answers for it"""
    why: Said
    """why the release may go out all the same"""
    until: Day
    """last day (UTC) on which it holds; from the next on the gate blocks again"""
    adapter: Digest | None = None
    """digest of the only adapter it holds for, or its first 12 digits and more, as the report gives it; null is for any"""


def is_pattern(name: str) -> bool:
    """Whether a name is a pattern."""
    return WILDCARD in name


def matches(name: str, gate: str) -> bool:
    """Whether a gate is the one of that name, or one of a pattern's. Nothing but * is special: names hold brackets."""
    return re.fullmatch(".*".join(map(re.escape, name.split(WILDCARD))), gate, re.DOTALL) is not None


def severity_of(names: Sequence[str], severities: Mapping[str, Severity]) -> Severity | None:
    """What `severities:` says of a gate by its names: by one of them first, else the strictest of the patterns'."""
    said = [severities[name] for name in names if name in severities] or [
        severity for pattern, severity in severities.items() if any(matches(pattern, name) for name in names)
    ]
    order: tuple[Severity, ...] = ("critical", "supporting", "advisory")
    return min(said, key=order.index, default=None)


def check_waivers(waivers: Sequence[WaiverEntry], severities: Mapping[str, Severity]) -> None:
    """Refuse a waiver of a gate that the same file makes critical, and a second one of the same gate and adapter.

    Raises:
        PydanticCustomError: as a validator's.
    """
    seen: set[tuple[str, str | None]] = set()
    for waiver in waivers:
        if severity_of([waiver.gate], severities) == "critical":
            raise objection(f"waivers: {waiver.gate}, waived by {waiver.who}, is critical", CRITICAL_REMEDY)
        if (waiver.gate, waiver.adapter) in seen:
            raise objection(f"waivers: {waiver.gate} is waived twice", "keep one of the two")
        seen.add((waiver.gate, waiver.adapter))
