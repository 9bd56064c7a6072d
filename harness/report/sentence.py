"""One sentence on a run, made of what its gates found: never of the words of their reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from harness.records import Cause, Verdict
from harness.report.concerns import RELEASE, TASK, Concern
from harness.report.details import label
from harness.report.findings import allowed, short_name, value
from harness.report.standing import by_whom
from harness.report.text import one_line, plural

CAUSES: dict[Cause, str] = {
    "interval": "too few items to tell",
    "too_few": "too few independent items",
    "at_floor": "the base has nothing to lose",
    "sparse": "too few items differ",
    "unreadable": "the judge's replies cannot be read",
    "obstacle": "the judge is not fit",
}
_FLOORS = {"complied": "the base refuses nothing"}
_MOST_MEASURES = 2
_MOST_WAIVERS = 2


def sentence(found: Sequence[Concern]) -> str:
    """`Does its job: accuracy 0 to 91%. Blocked by forgetting (4). Safety could not be told: the base refuses nothing.`"""
    told = [_task(one) for one in found if one.name == TASK]
    others = [one for one in found if one.name != TASK]
    told += [
        *(f"Falls short of the last release ({len(short)})" for one in found if (short := _short_of_release(one))),
        _counted("Blocked by", [one for one in others if one.name != RELEASE], "fail"),
        _counted("Could not be measured:", others, "error"),
        *_open(others),
    ]
    told += _set_aside(found)
    if all(one.outcome in (None, "pass") for one in found):
        told.append(_all_passed(sum(len(one.of("pass")) for one in found), others=any(one.aside for one in found)))
    return " ".join(f"{one}." for one in told if one)


def cause(verdict: Verdict) -> str:
    """Why a gate is undecided, in words."""
    if verdict.at_floor and verdict.metric in _FLOORS:
        return _FLOORS[verdict.metric]
    return CAUSES[verdict.open_because[0]] if verdict.open_because else "no decision"


def _short_of_release(one: Concern) -> Sequence[Verdict]:
    return one.bearing("fail") if one.name == RELEASE else ()


def _set_aside(found: Sequence[Concern]) -> Iterator[str]:
    """What failed and does not block: by whose word and until when, or because it is advisory."""
    waived = {one.title.lower(): [v for v in one.aside if v.waived] for one in found}
    words = dict.fromkeys(by_whom(v) for group in waived.values() for v in group)
    if words:
        counts = [f"{name} ({len(group)})" for name, group in waived.items() if group]
        whose = [*list(words)[:_MOST_WAIVERS], *(["others"] if len(words) > _MOST_WAIVERS else [])]
        yield f"Waived: {_listed(counts)}, by {_listed(whose)}"
    failed = {
        one.title.lower(): [v for v in one.aside if not v.waived and v.outcome != "inconclusive"] for one in found
    }
    if told := [f"{name} ({len(group)})" for name, group in failed.items() if group]:
        yield f"Failed, but advisory: {_listed(told)}"


def _all_passed(count: int, *, others: bool) -> str:
    if others:
        return f"All {plural(count, 'other gate')} passed" if count > 1 else ""
    return "The one gate passed" if count == 1 else f"All {plural(count, 'gate')} passed"


def _task(task: Concern) -> str:
    worst = task.outcome
    if worst is None:
        return "Its task was not measured"
    shown = task.of("pass") if worst == "pass" else task.bearing(worst)
    if worst == "error":
        return f"Whether it does its job could not be measured ({plural(len(shown), 'gate')})"
    measures = _measures(shown, with_limit=worst != "pass")
    if worst == "pass" and not shown:
        told = _measures(task.aside, with_limit=True)
        return f"Nothing that counts shows that it does its job{': ' + told if told else ''}"
    if worst == "pass":
        spared = [v for v in task.aside if v.waived and v.outcome == "fail"]
        if lost := _measures(spared, with_limit=True):
            return f"Does its job only in part: {measures + ', but ' if measures else ''}{lost}"
        return f"Does its job{': ' + measures if measures else ''}"
    if worst == "fail":
        return f"Does not do its job{': ' + measures if measures else f' ({len(shown)})'}"
    return f"Whether it does its job is open{': ' + measures if measures else ''}, {cause(shown[0])}"


def _measures(verdicts: Sequence[Verdict], *, with_limit: bool) -> str:
    by_measure: dict[tuple[str | None, str], Verdict] = {}
    for verdict in sorted(verdicts, key=lambda v: (bool(v.slice), not v.paired)):
        if verdict.metric is not None and verdict.estimate is not None:
            by_measure.setdefault((verdict.task, verdict.metric), verdict)
    several = len({task for task, _ in by_measure}) > 1
    return ", ".join(
        _measure(verdict, named=several, with_limit=with_limit)
        for verdict in list(by_measure.values())[:_MOST_MEASURES]
    )


def _measure(verdict: Verdict, *, named: bool, with_limit: bool) -> str:
    metric = verdict.metric or ""
    name = f"{label(verdict.task)} {short_name(metric)}" if named and verdict.task else short_name(metric)
    if verdict.base and verdict.candidate:
        before, after = value(verdict.base.value, metric), value(verdict.candidate.value, metric)
        start = before.removesuffix("%") if after.endswith("%") else before
        told = f"{name} still {after}" if before == after else f"{name} {start} to {after}"
    else:
        own = verdict.candidate or verdict.estimate
        told = f"{name} {value(own.value, metric)}" if own else name
    limit = allowed(verdict)
    return one_line(f"{told} ({limit})" if with_limit and limit else told, 120)


def _counted(start: str, found: Iterable[Concern], outcome: str) -> str:
    counts = [(one.title.lower(), sum(v.bearing == outcome for v in one.verdicts)) for one in found]
    named = [f"{name} ({count})" for name, count in counts if count]
    return f"{start} {_listed(named)}" if named else ""


def _open(found: Iterable[Concern]) -> Iterator[str]:
    """The concerns whose worst gate is undecided, by why most of these are."""
    by_cause: dict[tuple[bool, str], list[str]] = {}
    for one in found:
        if one.outcome == "inconclusive":
            [(why, _)] = Counter(map(cause, one.bearing("inconclusive"))).most_common(1)
            by_cause.setdefault((bool(one.of("pass")), why), []).append(one.title)
    for (in_part, why), names in by_cause.items():
        told = f"{'is' if len(names) == 1 else 'are'} told in part only" if in_part else "could not be told"
        yield f"{_listed([names[0], *map(str.lower, names[1:])])} {told}: {why}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
