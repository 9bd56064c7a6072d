"""Names of gates: unique in a run, and the same in whatever order, and in how many processes, its tests ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from harness.records import Verdict


def gate_name(metric: str, kind: str = "", *, task: str = "", tags: Mapping[str, str] | None = None) -> str:
    """What a gate is called within its suite, as in `tool_calls[values=unseen]/exact_match/superior`."""
    narrowed = ",".join(f"{tag}={value}" for tag, value in sorted((tags or {}).items()))
    return "/".join(part for part in (f"{task}[{narrowed}]" if narrowed else task, metric, kind) if part)


def in_suite(verdict: Verdict, suite: str, nth: int = 1) -> Verdict:
    """The verdict as that of a suite's gate; `nth` of its name in its test."""
    return replace(verdict, gate=f"{suite}/{verdict.gate}" + (f"#{nth}" if nth > 1 else ""), suite=suite)


def with_unique_names(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The verdicts of a whole run, no two of one name.

    Several tests may put the same rule to the same metric, with other thresholds: each of these is named by its test,
    `pets/accuracy/at_least (test_a)`, none keeps the bare name. Of one test the second of a name is `NAME#2`. Where they
    hold a metric against the baseline adapter within the same loss, they say the same, and one of them says it.
    """
    numbered = _numbered(_once(list(verdicts)))
    tests: dict[str, set[str]] = {}
    for verdict in numbered:
        tests.setdefault(verdict.gate, set()).add(verdict.test)
    return [
        replace(v, name=v.gate, gate=f"{v.gate} ({_shortest(v.test, among)})" if len(among) > 1 else v.gate)
        for v, among in ((v, tests[v.gate]) for v in numbered)
    ]


def by_comparable_name(*runs: Sequence[Verdict]) -> list[dict[str, Verdict]]:
    """The gates of several runs, each run's by names that mean the same in all.

    Which gates of a run are named by their tests depends on which tests were run. Here they are where any of the runs
    has several of a name.
    """
    shared = set().union(*map(_shared, runs))
    return [{_label(verdict, shared): verdict for verdict in run} for run in runs]


def comparable_names(first: Iterable[Verdict], second: Iterable[Verdict]) -> tuple[set[str], set[str]]:
    """The names of two runs' gates, as `by_comparable_name` gives them."""
    one, other = by_comparable_name(list(first), list(second))
    return set(one), set(other)


def _once(verdicts: Sequence[Verdict]) -> list[Verdict]:
    said: dict[tuple[object, ...], Verdict] = {}
    for verdict in sorted(verdicts, key=lambda v: v.test):
        said.setdefault(_claim(verdict), verdict)
    return [verdict for verdict in verdicts if not verdict.against or said[_claim(verdict)] is verdict]


def _claim(verdict: Verdict) -> tuple[object, ...]:
    return verdict.against, verdict.task, verdict.metric, verdict.kind, verdict.margin, *sorted(verdict.slice.items())


def _numbered(verdicts: Iterable[Verdict]) -> list[Verdict]:
    seen: Counter[tuple[str, str]] = Counter()
    numbered = []
    for verdict in verdicts:
        name, count = verdict.gate, 1
        while seen[verdict.test, name]:
            count += 1
            name = f"{verdict.gate}#{count}"
        seen[verdict.test, name] += 1
        numbered.append(replace(verdict, gate=name))
    return numbered


def _shared(verdicts: Iterable[Verdict]) -> set[str]:
    """Names that more than one test has."""
    counts = Counter(name for name, _ in {(_name(verdict), verdict.test) for verdict in verdicts})
    return {name for name, count in counts.items() if count > 1}


def _label(verdict: Verdict, shared: set[str]) -> str:
    name = _name(verdict)
    if name not in shared:
        return name
    return verdict.gate if verdict.gate != name else f"{name} ({_function(verdict.test)})"


def _name(verdict: Verdict) -> str:
    return verdict.name or verdict.gate


def _function(test: str) -> str:
    """What a node id ends in: function and parameters."""
    return test.rpartition("::")[2]


def _shortest(test: str, tests: set[str]) -> str:
    """The end of the node id, the whole of it where two of the tests end alike."""
    return _function(test) if sum(_function(other) == _function(test) for other in tests) == 1 else test
