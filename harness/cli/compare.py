"""`assay compare`: runs held against the first of them, on the terminal and as an HTML file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from harness.cli.runs import add_places, settings_of
from harness.runs.baselines import find_run
from harness.runs.storage import open_store

_EPILOG = "exits 0 without a regression, 1 with one, 2 where the runs cannot be found or compared"


def add_compare_command(commands: Any) -> None:
    """Add `compare` to the commands of `assay`."""
    compare = commands.add_parser("compare", help="hold runs against the first of them", epilog=_EPILOG)
    compare.add_argument(
        "runs", metavar="RUN", nargs="+", help="baseline name, run id, path or URL; the reference first"
    )
    compare.add_argument("--html", type=Path, metavar="FILE", help="write the comparison as one HTML file as well")
    add_places(compare, "with the runs")
    compare.set_defaults(run=_compare, refused=2)


def _compare(arguments: argparse.Namespace) -> int:
    from harness.compare.runs import compare_runs
    from harness.report.comparison.text import render_text

    settings = settings_of(arguments)
    config = settings.config
    store = open_store(settings.store)
    runs = [find_run(text, settings.reports_dir, store) for text in arguments.runs]
    task_margins = {task: config.margins_of(task).baseline for task in config.margins.tasks}
    compared = compare_runs(runs, margin=config.margins.baseline, task_margins=task_margins)
    print(render_text(compared))
    if arguments.html is not None:
        from harness.report.comparison.html import render_comparison
        from harness.runs.files import write_atomically

        write_atomically(arguments.html, render_comparison(compared).encode("utf-8"))
        print(f"report: {arguments.html}")
    return 1 if compared.regressions else 0
