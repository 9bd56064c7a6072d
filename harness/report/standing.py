"""How gates that did not pass stand to the release, in words: waived by whom and until when, advisory, or a lapsed waiver."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from harness.errors import did_you_mean
from harness.records import Lapse, Verdict, WaiverFacts
from harness.report.text import plural

_LAPSES: dict[Lapse, str] = {
    "expired": "expired on {day}",
    "critical": "does not hold: a critical gate cannot be waived",
    "other_adapter": "does not hold: it is for another adapter",
    "error": "does not hold: what could not be measured cannot be waived",
    "ambiguous": "does not hold: it names several gates; name one with its test, as the report does",
}


def standing(verdict: Verdict) -> str:
    """`waived by Ada until 31 Dec 2026: fixed in 2.1`; empty of a gate that passed or simply blocks."""
    if verdict.outcome == "pass":
        return ""
    if verdict.severity == "advisory":
        return "advisory: it does not block"
    return _waived(verdict) or lapsed(verdict)


def lapsed(verdict: Verdict) -> str:
    """`the waiver by Ada expired on 31 Dec 2026`; empty where none names the gate, or one holds."""
    waiver = verdict.waiver
    if waiver is None or not waiver.lapse:
        return ""
    return f"the waiver by {waiver.who} {_LAPSES[waiver.lapse].format(day=_day(waiver.until))}"


def word(verdict: Verdict) -> str:
    """`fail`, `fail (waived)`, `inconclusive (advisory)`."""
    if verdict.outcome == "pass" or verdict.counts:
        return verdict.outcome
    return f"{verdict.outcome} ({'waived' if verdict.waived else 'advisory'})"


def by_whom(verdict: Verdict) -> str:
    """`Ada until 31 Dec 2026`, of a waiver that holds."""
    waiver = verdict.waiver
    return f"{waiver.who} until {_day(waiver.until)}" if waiver is not None and verdict.waived else ""


def title_of_waived(verdicts: Iterable[Verdict]) -> str:
    """`, with 2 gates waived`, for the verdict on the release."""
    count = sum(verdict.waived for verdict in verdicts)
    return f", with {plural(count, 'gate')} waived" if count else ""


def describe_waivers(waivers: Iterable[WaiverFacts]) -> str:
    """Each waiver of the run and what it did: `forgetting/* (3 gates, 1 waived), by Ada until 31 Dec 2026: why; ...`."""
    return "; ".join(
        f"{one.gate} ({_effect(one)}), by {one.who} until {_day(one.until)}"
        f"{f', for adapter {one.adapter[:12]}' if one.adapter else ''}: {one.why}"
        for one in waivers
    )


def describe_idle_waivers(waivers: Iterable[WaiverFacts], gates: Sequence[str]) -> str:
    """The waivers that name none of these gates or are past their day: they should leave assay.yaml, or be mended."""
    told = []
    for one in waivers:
        if not one.matched:
            hint = did_you_mean(one.gate, gates).rstrip()
            told.append(f"{one.gate} by {one.who} names no gate of this run{f' ({hint})' if hint else ''}")
        elif one.expired:
            told.append(f"{one.gate} by {one.who} expired on {_day(one.until)}")
    return "; ".join(told)


def describe_required(required: Sequence[str], verdicts: Iterable[Verdict], *, whole: bool = True) -> str:
    """`present:` and the names, or which are missing; in a run that is not `whole` nobody looked."""
    missing = [v.gate.partition("/required/")[2] for v in verdicts if v.suite == POLICY]
    if not required:
        return ""
    if not whole:
        return f"not looked for, as the run stopped before its end: {', '.join(required)}"
    return f"missing: {', '.join(missing)}" if missing else f"present: {', '.join(required)}"


POLICY = "policy"
"""The suite of the verdicts on required gates."""


def _effect(one: WaiverFacts) -> str:
    if not one.matched:
        return "no such gate"
    told = f"{plural(one.matched, 'gate')}, {one.lifted} waived"
    return f"{told}, expired" if one.expired else told


def _waived(verdict: Verdict) -> str:
    whom = by_whom(verdict)
    return f"waived by {whom}: {verdict.waiver.why}" if whom and verdict.waiver is not None else ""


def _day(text: str) -> str:
    """`31 Dec 2026`; what is no date as it is."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return text
    return f"{day.day} {day:%b %Y}"
