"""The three reports that every run gets, registered as a plugin's exporters are."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.hookspecs import Register, hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.runs.store import Run


@hookimpl
def register_run_exporters(register: Register) -> None:
    """`report.html`, `summary.md` and `junit.xml`."""
    from harness.report.html import render_html
    from harness.report.junit import render_junit
    from harness.report.summary import render_summary
    from harness.runs.exporters import RunExporter

    for name, render in (("report.html", render_html), ("summary.md", render_summary), ("junit.xml", render_junit)):
        register(RunExporter(name, partial(_write, name, render)))


def _write(name: str, render: Callable[[Run], str], run: Run, run_dir: Path) -> None:
    from harness.runs.files import write_atomically

    write_atomically(run_dir / name, render(run).encode())
