"""One exhibit put to the gates, and which of their verdicts were due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from benchmarks.gating import ask_gates
from benchmarks.zoo.exhibits import Exhibit
from harness.records import Verdict

_FIRED = ("fail", "error")
_NEVER_FAILS = "baseline/same_base"
"""Undecided where it sees a fault, until a person accepts that by name: so it holds a release up."""


@dataclass(frozen=True)
class Outcome:
    """What the gates said of an exhibit.

    Attributes:
        catching: gates that had to reject it and did.
        others: further gates that rejected it, or could not be measured.
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


def put_to_gates(
    exhibit: Exhibit, adapter: Path | str, base: Path, project: Path, output: Path, released_on: Path | None = None
) -> Outcome:
    """Run the exhibit's tests; before them those of the run that it is held against, where there is one.

    Args:
        adapter: its directory, or a recipe of the project (`recipe:NAME`).
        project: the zoo's assay.yaml.
        output: directory for pytest's output and the run.
        released_on: the base of that run.

    Raises:
        RunError: no gate ran; the error names the file that tells why.
    """
    given = ["--profile=zoo", f"--adapter={adapter}"]
    if exhibit.quantization != "none":
        given.append(f"--quantization={exhibit.quantization}")
    options = [*given, f"--model={base}"]
    if released_on is not None:
        before = [*given, f"--model={released_on}"]
        released = ask_gates(f"{exhibit.name}-released", exhibit.select, project, before, output)
        options.append(f"--baseline={released.run}")
    said = ask_gates(exhibit.name, exhibit.select, project, options, output)
    return judge(exhibit, said.verdicts, said.seconds, said.test_seconds)


def judge(
    exhibit: Exhibit, verdicts: Sequence[Verdict], seconds: float, test_seconds: Mapping[str, float] | None = None
) -> Outcome:
    """Which of the verdicts were due, and which were not.

    Only a gate that rejects catches: one that could not be measured says nothing about the fault. Rejecting is failing, but for
    the gate that never does.

    Args:
        test_seconds: node id -> wall time of the test.
    """
    fired = [v for v in verdicts if v.outcome in _FIRED or (v.outcome == "inconclusive" and v.gate == _NEVER_FAILS)]
    catching = [v.gate for v in fired if v.outcome != "error" and _matches(v.gate, exhibit.caught_by)]
    others = [v.gate for v in fired if v.gate not in catching]
    return Outcome(
        exhibit=exhibit,
        catching=catching,
        others=others,
        wrongly=others if exhibit.healthy else [gate for gate in others if _matches(gate, exhibit.spares)],
        undecided=[v.gate for v in verdicts if v.outcome == "inconclusive" and v not in fired],
        gates=len(verdicts),
        seconds=seconds,
        gate_seconds={v.gate: test_seconds[v.test] for v in verdicts if v.test in test_seconds} if test_seconds else {},
    )


def _matches(gate: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(gate, pattern) for pattern in patterns)
