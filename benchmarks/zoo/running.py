"""One exhibit put to the gates: pytest in this process, its output kept in a file, its verdicts read back."""

from __future__ import annotations

import contextlib
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import pytest

from benchmarks.zoo.faults import Exhibit
from harness.config.settings import DATA_DIR_VARIABLE
from harness.errors import RunError
from harness.records import Verdict
from harness.runs import load_run

ROOT = Path(__file__).parents[2]
_FIRED = ("fail", "error")


@dataclass(frozen=True)
class Outcome:
    """What the gates said of an exhibit.

    Attributes:
        catching: gates that had to fail and did.
        others: further gates that failed, or could not be measured.
        wrongly: those of them that had to stay quiet: any, for a healthy adapter.
        undecided: gates without a decision.
        gates: all that decided.
        seconds: wall time of the gates, training apart.
        gate_seconds: gate -> wall time of its test. The first to need a model pays for its loading.
    """

    exhibit: Exhibit
    catching: Sequence[str]
    others: Sequence[str]
    wrongly: Sequence[str]
    undecided: Sequence[str]
    gates: int
    seconds: float
    gate_seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def right(self) -> bool:
        """Caught, and by its gate; of a healthy adapter: left alone."""
        return not self.wrongly and (self.exhibit.healthy or bool(self.catching))


def put_to_gates(exhibit: Exhibit, adapter: Path, base: Path, project: Path, output: Path) -> Outcome:
    """Run the exhibit's tests.

    Args:
        project: the zoo's assay.yaml.
        output: directory for pytest's output and the run.

    Raises:
        RunError: no gate ran; the error names the file that tells why.
    """
    reports = output / exhibit.name
    told = output / f"{exhibit.name}.txt"
    arguments = [
        *_present(exhibit.select), f"--rootdir={ROOT}", f"--assay-config={project}", "--profile=zoo",
        f"--model={base}", f"--adapter={adapter}", f"--reports-dir={reports}",
        "--assay-keep-going", "-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest",
    ]  # fmt: skip
    if exhibit.quantization != "none":
        arguments.append(f"--quantization={exhibit.quantization}")
    watch = _Stopwatch()
    started = time.monotonic()
    with told.open("w", encoding="utf-8") as stream, contextlib.redirect_stdout(stream), _own_data():
        pytest.main(arguments, plugins=[watch])
    seconds = time.monotonic() - started
    runs = sorted(reports.glob("[!.]*/verdicts.json"))
    if not runs:
        raise RunError(f"no gate was put to {exhibit.name}", f"{told} says why")
    return judge(exhibit, load_run(runs[-1].parent).verdicts, seconds, watch.seconds)


def judge(
    exhibit: Exhibit, verdicts: Sequence[Verdict], seconds: float, test_seconds: Mapping[str, float] | None = None
) -> Outcome:
    """Which of the verdicts were due, and which were not.

    Only a failed gate catches: one that could not be measured says nothing about the fault.

    Args:
        test_seconds: node id -> wall time of the test.
    """
    fired = [v for v in verdicts if v.outcome in _FIRED]
    catching = [v.gate for v in fired if v.outcome == "fail" and _matches(v.gate, exhibit.caught_by)]
    others = [v.gate for v in fired if v.gate not in catching]
    return Outcome(
        exhibit=exhibit,
        catching=catching,
        others=others,
        wrongly=others if exhibit.healthy else [gate for gate in others if _matches(gate, exhibit.spares)],
        undecided=[v.gate for v in verdicts if v.outcome == "inconclusive"],
        gates=len(verdicts),
        seconds=seconds,
        gate_seconds={v.gate: test_seconds[v.test] for v in verdicts if v.test in test_seconds} if test_seconds else {},
    )


class _Stopwatch:
    """A pytest plugin: wall time of each test, its fixtures with it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration


def _matches(gate: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(gate, pattern) for pattern in patterns)


def _present(select: Sequence[str]) -> list[str]:
    """The selection without suites that this version does not have; paths from the root."""
    return [
        argument if argument.startswith("-") else str(ROOT / argument)
        for argument in select
        if argument.startswith("-") or (ROOT / argument.partition("::")[0]).is_file()
    ]


@contextlib.contextmanager
def _own_data() -> Iterator[None]:
    """Without the user's benchmarks: the zoo measures on what it comes with."""
    kept = os.environ.pop(DATA_DIR_VARIABLE, None)
    try:
        yield
    finally:
        if kept is not None:
            os.environ[DATA_DIR_VARIABLE] = kept
