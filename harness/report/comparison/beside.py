"""What a comparison says beside its gates: what was not compared, what some runs lack, what does not count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from harness.compare.runs import Line, RunsCompared
from harness.report.standing import standing
from harness.report.text import plural

_NAMED = 3


def not_shared(compared: RunsCompared, names: Sequence[str]) -> str:
    """Which gates not every run has.

    `Missing in B: 2 gates (judge/a, judge/b); only in A (profile release): 59 gates (forgetting 12, safety 47)`
    """
    lacking: dict[tuple[str, ...], list[str]] = {}
    for run, lines in compared.missing.items():
        lacking.setdefault(tuple(line.gate for line in lines), []).append(names[run])
    told = [
        f"missing in {', '.join(runs)}: {_counted([line for line in compared.lines if line.gate in gates])}"
        for gates, runs in lacking.items()
    ]
    for run, lines in sorted(compared.alone.items()):
        profile = compared.runs[run].run.manifest.profile
        told.append(f"only in {names[run]}{f' (profile {profile})' if profile else ''}: {_counted(lines)}")
    text = "; ".join(told)
    return text[:1].upper() + text[1:]


def _counted(lines: Sequence[Line]) -> str:
    suites = Counter(line.verdict.suite or line.gate.partition("/")[0] for line in lines)
    named = [line.gate for line in lines]
    some = named if len(named) <= _NAMED else [f"{suite} {count}" for suite, count in sorted(suites.items())]
    return f"{plural(len(lines), 'gate')} ({', '.join(some)})"


def refusals(compared: RunsCompared, names: Sequence[str]) -> tuple[str, ...]:
    """What was not compared. What keeps tasks apart is mostly one thing for all of them, and for all runs: it is told once."""
    tasks: dict[tuple[int, str], list[str]] = {}
    for one in compared.refusals:
        tasks.setdefault((one.run, one.parts), []).append(one.task)
    runs: dict[tuple[str, str], list[str]] = {}
    for (run, parts), named in tasks.items():
        runs.setdefault((", ".join(named), parts), []).append(names[run])
    return tuple(
        f"{', '.join(letters)} and {names[0]} do not compare on {named}: {parts} differ"
        for (named, parts), letters in runs.items()
    )


def aside(compared: RunsCompared, names: Sequence[str]) -> Iterator[str]:
    """What does not count, or less than in the first run.

    `B: forgetting/mmlu/acc/non_inferior is fail, waived by Ada until 31 Dec 2026: mended in 2.1`
    """
    for line in compared.lines:
        first = line.cells[0].verdict
        for name, verdict in zip(names, (cell.verdict for cell in line.cells), strict=True):
            if verdict is None:
                continue
            if verdict.outcome != "pass" and not verdict.counts:
                yield f"{name}: {line.gate} is {verdict.outcome}, {standing(verdict)}"
            elif first is not None and verdict.severity == "advisory" != first.severity:
                yield f"{name}: {line.gate} is advisory, and {first.severity} in {names[0]}"
