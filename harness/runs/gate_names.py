"""Names of gates: unique in a run, and the same in whatever order, and in how many processes, its tests ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from harness.runs.schema import Verdict


def named_apart(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The verdicts of a whole run, no two of one name.

    Several tests may put the same rule to the same metric, with other thresholds: each of these is named by its test,
    `pets/accuracy/at_least (test_a)`, none keeps the bare name. Of one test the second of a name is `NAME#2`. Where they
    hold a metric against the released adapter within the same loss, they say the same, and one of them says it.
    """
    numbered = _numbered(_once(list(verdicts)))
    tests: dict[str, set[str]] = {}
    for verdict in numbered:
        tests.setdefault(verdict.gate, set()).add(verdict.test)
    return [
        replace(v, gate=f"{v.gate} ({_shortest(v.test, tests[v.gate])})") if len(tests[v.gate]) > 1 else v
        for v in numbered
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
    return verdict.against, verdict.task, verdict.metric, verdict.rule, *sorted(verdict.slice.items())


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
    """Bare names that more than one test has."""
    counts = Counter(bare for bare, _ in {(_bare(verdict), verdict.test) for verdict in verdicts})
    return {bare for bare, count in counts.items() if count > 1}


def _label(verdict: Verdict, shared: set[str]) -> str:
    bare = _bare(verdict)
    if bare not in shared:
        return bare
    return verdict.gate if verdict.gate != bare else f"{bare} ({_function(verdict.test)})"


def _bare(verdict: Verdict) -> str:
    return verdict.gate.removesuffix(f" ({_function(verdict.test)})").removesuffix(f" ({verdict.test})")


def _function(test: str) -> str:
    """What a node id ends in: function and parameters."""
    return test.rpartition("::")[2]


def _shortest(test: str, tests: set[str]) -> str:
    """The end of the node id, the whole of it where two of the tests end alike."""
    return _function(test) if sum(_function(other) == _function(test) for other in tests) == 1 else test
