"""One exhibit put to the gates, and which of their verdicts were due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from benchmarks.gating import ask_gates
from benchmarks.zoo.faults import Exhibit
from harness.records import Verdict

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


def put_to_gates(exhibit: Exhibit, adapter: Path | str, base: Path, project: Path, output: Path) -> Outcome:
    """Run the exhibit's tests.

    Args:
        adapter: its directory, or a recipe of the project (`recipe:NAME`).
        project: the zoo's assay.yaml.
        output: directory for pytest's output and the run.

    Raises:
        RunError: no gate ran; the error names the file that tells why.
    """
    options = ["--profile=zoo", f"--model={base}", f"--adapter={adapter}"]
    if exhibit.quantization != "none":
        options.append(f"--quantization={exhibit.quantization}")
    said = ask_gates(exhibit.name, exhibit.select, project, options, output)
    return judge(exhibit, said.verdicts, said.seconds, said.test_seconds)


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


def _matches(gate: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(gate, pattern) for pattern in patterns)
