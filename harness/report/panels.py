"""Panels that plugins add to `report.html`: plain facts and tables, laid out and escaped as everything else there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import first_line
from harness.plugins import Registry
from harness.report.details import Details, details
from harness.runs.run import Run


@dataclass(frozen=True)
class ReportPanel:
    """A section of the report.

    Attributes:
        name: its anchor in the page: a word.
        content: run -> JSON object to be shown (scalars become facts, lists of objects tables); None shows no panel.
    """

    name: str
    title: str
    content: Callable[[Run], Mapping[str, Any] | None]


REPORT_PANELS: Registry[ReportPanel] = Registry("register_report_panels", "report panel")


def added_panels(run: Run) -> Iterator[tuple[ReportPanel, Details]]:
    """Each panel with what it shows of a run; one that fails says so, and the report is made all the same."""
    for panel in REPORT_PANELS:
        try:
            content = panel.content(run)
        except Exception as exc:
            content = {"not shown": f"{type(exc).__name__}: {first_line(exc)}"}
        if content is not None:
            yield panel, details(content)
