"""A stored run: its id, its directory, and reading it back."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import RunError, show
from harness.json_files import read_json_object
from harness.records import VERDICTS_SCHEMA, Manifest, Role, RunOutcome, RunStatus, Sample, Verdict, overall_outcome
from harness.runs.codec import number
from harness.runs.ids import is_run_id
from harness.runs.samples import merge_parts, read_table, select, table_samples
from harness.runs.upgrade import upgraded

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
SAMPLES = "samples.parquet"
VERDICTS = "verdicts.json"
TRAINING = "training.json"
PARTS = "parts"
_REMAKE = "restore it or make the run again"


@dataclass(frozen=True)
class Run:
    """A stored run. The samples are read when first asked for.

    Attributes:
        document: the manifest as it is on disk, whatever is in it.
        training: recipe, points and summary of the training log; None where nothing was trained.
    """

    path: Path
    id: str
    status: RunStatus
    manifest: Manifest
    document: Mapping[str, Any]
    verdicts: tuple[Verdict, ...]
    training: Mapping[str, Any] | None = None

    @property
    def outcome(self) -> RunOutcome:
        """The worst verdict, or `incomplete`."""
        return overall_outcome(self.verdicts, self.status)

    @cached_property
    def samples(self) -> pd.DataFrame:
        """The samples as stored: one row each; target, parsed, scores and tags are JSON text."""
        return self.table.to_pandas()

    def read_samples(self, *, task: str | None = None, role: Role | None = None) -> list[Sample]:
        """The samples with their JSON columns decoded: all of them, or those of a task or model."""
        return table_samples(select(self.table, task=task, role=role))

    def read_columns(self, *columns: str) -> pa.Table:
        """Some columns of the samples of a finished run, as an Arrow table."""
        return read_table(self.path / SAMPLES, columns)

    @cached_property
    def table(self) -> pa.Table:
        """The samples as stored, as an Arrow table."""
        whole = self.path / SAMPLES
        if is_partial(self.path) and not whole.exists():
            return merge_parts(sorted((self.path / PARTS).glob("*.parquet")))
        return read_table(whole)


def load_run(path: Path, *, partial: bool = False) -> Run:
    """Load a run from its directory.

    Args:
        partial: also accept the `.partial` directory of a run that was killed or is still going on; what it lacks
            is left empty.

    Raises:
        RunError: no such run, an unfinished run without `partial`, or a missing or torn file, which is named.
    """
    unfinished = is_partial(path)
    if not path.is_dir():
        left_over = partial_path(path.parent, path.name)
        if left_over.is_dir():
            raise _never_finished(left_over)
        raise RunError(f"there is no run at {path}", "give the path of a run directory, such as reports/<run-id>")
    if unfinished and not partial:
        raise _never_finished(path)
    document = _read_object(path / MANIFEST)
    manifest = Manifest.read(document)
    if manifest.run and not is_run_id(manifest.run):  # the id becomes a path where the run is promoted
        raise RunError(f"{path / MANIFEST} calls its run {manifest.run!r}, which is no run's id", _REMAKE)
    verdicts = () if unfinished and not (path / VERDICTS).exists() else _read_verdicts(path / VERDICTS)
    return Run(
        path=path,
        id=manifest.run or path.name,
        status=_status(path, document.get("status")),
        manifest=manifest,
        document=document,
        verdicts=verdicts,
        training=_read_training(path / TRAINING) if (path / TRAINING).exists() else None,
    )


def list_runs(root: Path) -> list[Run]:
    """The finished runs under `root`, oldest first. One that cannot be read is left out with a logged warning.

    Raises:
        RunError: `root` is no directory.
    """
    if not root.exists():
        return []
    if not root.is_dir():
        raise RunError(f"{root} is a file", "give the directory that holds the runs")
    runs = []
    for path in sorted(p for p in root.iterdir() if (p / MANIFEST).is_file() and not is_partial(p)):
        try:
            runs.append(load_run(path))
        except RunError as error:
            _log.warning("left out of the list of runs: %s", error)
    return in_order(runs)


def earlier_runs(run: Run, *, looked_at: int = 40) -> list[Run]:
    """The last finished runs before this one in the directory that it lies in, oldest first; what cannot be read is left out.

    Args:
        looked_at: directories at most, the last by name: ids sort by time.
    """
    root = run.path.parent
    beside = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    found = []
    for path in [one for one in beside if one.name not in (run.path.name, run.id)][-looked_at:]:
        try:
            found.append(load_run(path))
        except (RunError, OSError):
            continue
    return in_order(one for one in found if one.manifest.started < run.manifest.started and one.outcome != "incomplete")


def in_order(runs: Iterable[Run]) -> list[Run]:
    """Oldest first."""
    return sorted(runs, key=lambda run: (run.manifest.started, run.id))


def _never_finished(path: Path) -> RunError:
    return RunError(
        f"the run in {path} was never finished: it was killed or is still going on",
        "run the same command again; answers it had computed come from the cache",
    )


def _read_object(path: Path) -> dict[str, Any]:
    return read_json_object(path, RunError, "the run is torn or incomplete: restore it or make it again")


def _status(path: Path, status: object) -> RunStatus:
    match status:
        case "complete" | "interrupted":
            return status
        case "running" if is_partial(path):
            return status
    raise RunError(f"{path / MANIFEST} has the status {status!r}", "a finished run is 'complete' or 'interrupted'")


def _read_training(path: Path) -> dict[str, Any]:
    """A training log whose points and best step are numbers: curves are drawn by them."""
    document = _read_object(path)
    points, summary = document.get("points") or [], document.get("summary")
    if not isinstance(points, list):
        raise RunError(f"{path}: points is {show(points)}, not a list", _REMAKE)
    for nth, point in enumerate(points):
        if not isinstance(point, dict) or point.get("step") is None:
            raise RunError(f"{path}: points[{nth}] is {show(point)}, no point of a curve", _REMAKE)
        for name, value in point.items():
            _check_number(value, f"{path}: points[{nth}].{name}")
    if isinstance(summary, dict):
        _check_number(summary.get("best_step"), f"{path}: summary.best_step")
    return document


def _check_number(value: object, named: str) -> None:
    try:
        number(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise RunError(f"{named} is {show(value)}, not a number", _REMAKE) from error


def _read_verdicts(path: Path) -> tuple[Verdict, ...]:
    document = _read_object(path)
    schema = document.get("schema")
    if schema not in (1, VERDICTS_SCHEMA):
        raise RunError(
            f"{path} has schema {schema!r}; this version reads {VERDICTS_SCHEMA} and before",
            "read it with the version of adapter-assay that wrote it",
        )
    rows = document.get("verdicts")
    if not isinstance(rows, list):
        raise RunError(f"{path}: verdicts is {show(rows)}, not a list", _REMAKE)
    read = upgraded if schema == 1 else Verdict.from_json
    verdicts = []
    for nth, row in enumerate(rows):
        try:
            verdicts.append(read(row))
        except ValueError as error:
            raise RunError(f"{path} has a malformed verdict, verdicts[{nth}]: {error}", _REMAKE) from error
    return tuple(verdicts)


def partial_path(root: Path, run_id: str) -> Path:
    """The hidden directory an unfinished run lives in."""
    return root / f".{run_id}.partial"


def is_partial(path: Path) -> bool:
    """Whether a path is that of an unfinished run."""
    return path.name.startswith(".") and path.name.endswith(".partial")
