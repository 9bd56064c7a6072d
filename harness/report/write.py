"""Put the reports of a stored run beside its data."""

from __future__ import annotations

from pathlib import Path

from harness.report.html import render_html
from harness.report.junit import render_junit
from harness.report.summary import render_summary
from harness.runs.files import write_atomically
from harness.runs.store import load_run


def write_reports(run_dir: Path) -> None:
    """Write `report.html`, `summary.md` and `junit.xml` into a run directory, finished or not.

    Raises:
        RunError: the run cannot be read or a report not written.
    """
    run = load_run(run_dir, partial=True)
    for name, render in (("report.html", render_html), ("summary.md", render_summary), ("junit.xml", render_junit)):
        write_atomically(run_dir / name, render(run).encode("utf-8"))
