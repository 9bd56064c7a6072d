"""One exhibit put to the gates: pytest in this process, its output kept in a file, its verdicts read back."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest

from benchmarks.zoo.faults import Exhibit
from harness.errors import RunError
from harness.runs import load_run
from harness.runs.schema import Verdict
from harness.settings import DATA_DIR_VARIABLE

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
    """

    exhibit: Exhibit
    catching: Sequence[str]
    others: Sequence[str]
    wrongly: Sequence[str]
    undecided: Sequence[str]
    gates: int
    seconds: float

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
    started = time.monotonic()
    with told.open("w", encoding="utf-8") as stream, contextlib.redirect_stdout(stream), _own_data():
        pytest.main(arguments)
    seconds = time.monotonic() - started
    runs = sorted(reports.glob("[!.]*/verdicts.json"))
    if not runs:
        raise RunError(f"no gate was put to {exhibit.name}", f"{told} says why")
    return judge(exhibit, load_run(runs[-1].parent).verdicts, seconds)


def judge(exhibit: Exhibit, verdicts: Sequence[Verdict], seconds: float) -> Outcome:
    """Which of the verdicts were due, and which were not.

    Only a failed gate catches: one that could not be measured says nothing about the fault.
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
    )


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
