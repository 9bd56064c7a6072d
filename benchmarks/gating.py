"""The suites that ship, run on an adapter: pytest in this process, its output kept in a file, its verdicts read back."""

from __future__ import annotations

import contextlib
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.config.settings import DATA_DIR_VARIABLE
from harness.errors import RunError
from harness.records import Verdict
from harness.runs import load_run

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Said:
    """What the gates said.

    Attributes:
        run: its directory.
        seconds: wall time of all.
        test_seconds: node id -> wall time of its test, its fixtures with it.
    """

    run: Path
    verdicts: Sequence[Verdict]
    seconds: float
    test_seconds: Mapping[str, float]


def ask_gates(name: str, select: Sequence[str], project: Path, options: Sequence[str], output: Path) -> Said:
    """Run tests of the suites, without the user's benchmarks: what is measured on is what comes with the package.

    Args:
        name: of what is on trial: its output is kept as NAME.txt, its runs under NAME.
        select: what pytest is asked to run; paths from the repository's root. Suites that are not there are left out.
        project: an assay.yaml.
        options: of the plugin.
        output: directory for pytest's output and the run.

    Raises:
        RunError: no gate ran; the error names the file that tells why.
    """
    reports = output / name
    told = output / f"{name}.txt"
    arguments = [
        *_present(select), f"--rootdir={ROOT}", f"--assay-config={project}", *options, f"--reports-dir={reports}",
        "--assay-keep-going", "-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest",
    ]  # fmt: skip
    before = _runs(reports)
    watch = _Stopwatch()
    started = time.monotonic()
    with told.open("w", encoding="utf-8") as stream, contextlib.redirect_stdout(stream), _own_data():
        code = pytest.main(arguments, plugins=[watch])
    if code == pytest.ExitCode.INTERRUPTED:  # what it measured until then says nothing of the rest
        raise KeyboardInterrupt
    seconds = time.monotonic() - started
    runs = sorted(_runs(reports) - before)
    if not runs:
        raise RunError(f"no gate was put to {name}", f"{told}, or what pytest wrote to stderr, says why")
    return Said(runs[-1], load_run(runs[-1]).verdicts, seconds, watch.seconds)


def _runs(reports: Path) -> set[Path]:
    """Those that were finished."""
    return {file.parent for file in reports.glob("[!.]*/verdicts.json")}


class _Stopwatch:
    """A pytest plugin: wall time of each test, its fixtures with it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration


def _present(select: Sequence[str]) -> list[str]:
    """The selection without suites that this version does not have."""
    return [
        argument if argument.startswith("-") else str(ROOT / argument)
        for argument in select
        if argument.startswith("-") or (ROOT / argument.partition("::")[0]).is_file()
    ]


@contextlib.contextmanager
def _own_data() -> Iterator[None]:
    kept = os.environ.pop(DATA_DIR_VARIABLE, None)
    try:
        yield
    finally:
        if kept is not None:
            os.environ[DATA_DIR_VARIABLE] = kept
