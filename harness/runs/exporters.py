"""What is made of a run when it is finished: files beside its data, by whoever registered for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import AssayError, RunError, first_line
from harness.plugins import DISABLE_VARIABLE, Registry
from harness.runs.run import Run, load_run


@dataclass(frozen=True)
class RunExporter:
    """Makes something of a finished run.

    Attributes:
        name: what it is called in messages, as `report.html`.
        export: (run, its directory) -> None. All data are written by then; the directory itself moves into place
            afterwards, so that whatever is put into it appears together with the run.
    """

    name: str
    export: Callable[[Run, Path], None]


RUN_EXPORTERS: Registry[RunExporter] = Registry("register_run_exporters", "run exporter")


def export_run(run_dir: Path) -> None:
    """Have every exporter make its own of a run, finished or not.

    Raises:
        RunError: the run cannot be read, or an exporter failed, which is named.
    """
    run = load_run(run_dir, partial=True)
    for exporter in RUN_EXPORTERS:
        try:
            exporter.export(run, run_dir)
        except AssayError:
            raise
        except Exception as exc:
            raise RunError(
                f"the run exporter {exporter.name!r} failed on {run_dir}: {type(exc).__name__}: {first_line(exc)}",
                f"update or uninstall its distribution, or set {DISABLE_VARIABLE}=1, and start again: every answer is kept",
            ) from exc
