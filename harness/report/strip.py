"""The concerns of a release as a strip, a line each: outcome, the number that stands for all, and its change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.records import Outcome
from harness.report.concerns import Concern
from harness.report.details import label
from harness.report.findings import change, metric_words, numbers, subject
from harness.report.interval_plot import IntervalPlot, draw_interval
from harness.report.text import plural, printable

WORDS: dict[Outcome, str] = {"pass": "passed", "fail": "failed", "inconclusive": "undecided", "error": "in error"}


@dataclass(frozen=True)
class StripRow:
    """One concern; everything but `outcome` and `plot` is text to show as it is.

    Attributes:
        outcome: None where nothing was gated.
        told: how many gates came out how; `aside` how many did not pass and do not count.
        about, numbers: what the number in front is, and the number.
        anchor: its place in the page.
        since: the change against the release; empty where none was given.
    """

    title: str
    question: str
    outcome: Outcome | None
    told: str
    aside: str
    about: str
    numbers: str
    plot: IntervalPlot | None
    anchor: str
    since: str
    since_outcome: Outcome | None


def strip(found: Iterable[Concern], places: Mapping[str, str]) -> list[StripRow]:
    """A row for each concern, in their order."""
    return [_row(one, places) for one in found]


def _row(one: Concern, places: Mapping[str, str]) -> StripRow:
    leading, since = one.leading, one.since_release
    about = numbers_told = ""
    if leading is not None:
        where = f" {label(leading.task)}" if leading.task else ""
        about = printable(f"{metric_words(leading.metric)},{where}" if leading.metric and where else subject(leading))
        numbers_told = numbers(leading)
    elif one.verdicts and one.verdicts[0].outcome != "pass":
        about = subject(one.verdicts[0])
    return StripRow(
        one.title,
        one.question,
        one.outcome,
        _told(one),
        _aside(one),
        about,
        numbers_told,
        draw_interval(leading) if leading is not None else None,
        places[(leading or one.verdicts[0]).gate] if one.verdicts else "",
        change(since.estimate.value, since.metric) if since is not None and since.estimate else "",
        since.bearing if since is not None else None,
    )


def _told(one: Concern) -> str:
    if one.outcome is None:
        return "not measured"
    if one.outcome == "pass":
        passed = len(one.of("pass"))
        return f"{plural(passed, 'gate')} passed" if passed else "nothing blocks"
    return f"{len(one.bearing(one.outcome))} of {len(one.verdicts)} {WORDS[one.outcome]}"


def _aside(one: Concern) -> str:
    waived = sum(verdict.waived for verdict in one.aside)
    counts = ((waived, "waived"), (len(one.aside) - waived, "advisory"))
    return ", ".join(f"{count} {told}" for count, told in counts if count)
