"""The pages of `assay serve`: the list of runs, and what went wrong. They run no script: every click is a link or a form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import get_args
from urllib.parse import urlencode

from markupsafe import Markup

from harness.errors import AssayError
from harness.records import RunOutcome
from harness.report.headline import SYMBOLS
from harness.report.page import asset, content_policy, environment
from harness.report.text import moment
from harness.runs.baselines import DEFAULT_NAME
from harness.serve.index import RunSummary

BROKEN = "unreadable"
OUTCOMES = (*get_args(RunOutcome), BROKEN)
_PAGE = 100
_SYMBOLS = {str(outcome): sign for outcome, sign in SYMBOLS.items()} | {"incomplete": "\u2026", BROKEN: "!"}


@dataclass(frozen=True)
class Filters:
    """What is asked of the list; empty is anything."""

    text: str = ""
    outcome: str = ""
    profile: str = ""
    task: str = ""

    @classmethod
    def of(cls, query: Mapping[str, Sequence[str]]) -> Filters:
        """Out of the address."""
        return cls(**{field.name: query[field.name][-1] for field in fields(cls) if query.get(field.name)})

    def keep(self, run: RunSummary) -> bool:
        """Whether a run is among what is asked for."""
        return (
            self.text.casefold() in run.words
            and self.outcome in ("", run.outcome or BROKEN)
            and self.profile in ("", run.profile)
            and (not self.task or self.task in run.tasks)
        )

    def address(self, page: int) -> str:
        """The address of a page of what is asked for."""
        asked = {**vars(self), "page": str(page) if page > 1 else ""}
        return "?" + urlencode({name: value for name, value in asked.items() if value})


def list_page(
    runs: Sequence[RunSummary],
    *,
    filters: Filters,
    page: int,
    baselines: Mapping[str, Sequence[str]],
    place: str,
    promotion: str | None,
    note: str = "",
) -> str:
    """The runs that the filters leave, a hundred a page.

    Args:
        baselines: run -> the names it was promoted under.
        promotion: the session's token, which no other site knows, where runs may be promoted.
        note: said above the list.
    """
    kept = [run for run in runs if filters.keep(run)]
    pages = max(1, -(-len(kept) // _PAGE))
    at = min(max(page, 1), pages)
    style = _style()
    return (
        environment()
        .get_template("runs.html.j2")
        .render(
            runs=kept[(at - 1) * _PAGE : at * _PAGE],
            kept=len(kept),
            total=len(runs),
            filters=filters,
            outcomes=[one for one in OUTCOMES if any((run.outcome or BROKEN) == one for run in runs)],
            profiles=sorted({run.profile for run in runs} - {""}),
            tasks=sorted({task for run in runs for task in run.tasks}),
            page=at,
            pages=pages,
            baselines=baselines,
            place=place,
            promotion=promotion,
            note=note,
            unreadable=sum(run.outcome is None for run in runs),
            released=next((run for run in runs if DEFAULT_NAME in baselines.get(run.name, ())), None),
            default_name=DEFAULT_NAME,
            broken=BROKEN,
            symbols=_SYMBOLS,
            moment=moment,
            style=Markup(style),
            policy=policy(),
        )
    )


def error_page(error: AssayError) -> str:
    """What was wrong and what to do, with the way back to the list."""
    return (
        environment()
        .get_template("runs_error.html.j2")
        .render(problem=error.problem, remedy=error.remedy, style=Markup(_style()), policy=policy())
    )


def policy() -> str:
    """The Content-Security-Policy of these pages."""
    return content_policy(_style(), forms="'self'")


def _style() -> str:
    return asset("report.css") + asset("runs.css")
