"""Decide a gate, record its verdict, and tell pytest."""

from __future__ import annotations

import contextlib
import dataclasses
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, get_args

import pytest

from harness.errors import AssayError, Complaints, ConfigError, nearest

if TYPE_CHECKING:
    from harness.config import Config
    from harness.config.settings import Settings
    from harness.gates import Gateable, GateSpec
    from harness.gates.policy import Collected, ReleasePolicy
    from harness.plugin.baseline import BaselineRun
    from harness.records import Severity, Verdict

GATE: pytest.StashKey[Gate] = pytest.StashKey()


class GateError(AssayError):
    """A gate could not be measured."""


class InconclusiveWarning(UserWarning):
    """A gate could not be decided, under a profile that lets that pass."""


class Gate:
    """The `gate` fixture: call it with a rule or a check.

    A failed gate fails the test, an unmeasurable one makes it an error, an inconclusive one does what
    `--inconclusive` says, and none does anything where it is advisory or waived. A test may gate
    several times; the first that fails ends it. With `--baseline`, a rule that compares with the base is put to the
    baseline adapter as well, and fails its test alike.

    Attributes:
        verdicts: decided so far.
        stand: those of an earlier run of the test, by name: a plugin that runs failed tests again changes nothing of them.
        raised: what the last enforced verdict raised; any other failure of the test has no verdict yet.
    """

    def __init__(
        self, node: pytest.Item, settings: Settings, policy: ReleasePolicy, baseline: BaselineRun | None = None
    ) -> None:
        self.stand: dict[str, Verdict] = {}
        if (earlier := node.stash.get(GATE, None)) is not None:
            self.stand |= earlier.stand | {one.gate: one for one in earlier.verdicts if one.outcome != "error"}
        self.verdicts: list[Verdict] = []
        self.raised: BaseException | None = None
        self._node = node
        self._settings = settings
        self._policy = policy
        self._baseline = baseline
        self._reported = 0
        self._named: Counter[tuple[str, str]] = Counter()

    def __call__(
        self,
        rule: Gateable | None,
        *,
        severity: Severity | None = None,
        otherwise: str = "the check does not apply to these data",
    ) -> Verdict:
        """Decide, record and enforce. None, which a check is that does not apply, skips the test.

        Args:
            otherwise: why the test is skipped where the rule is None.
            severity: `critical` blocks, `supporting` blocks unless waived, `advisory` is told and never blocks; what
                `severities:` of assay.yaml says of the gate comes before.

        Returns:
            The verdict on the rule itself.

        Raises:
            pytest.fail.Exception: the verdict is fail, or inconclusive where that fails.
            GateError: the verdict is error.
            ConfigError: there is no such severity.
        """
        from harness.records import Severity
        from harness.runs.baselines import SUITE

        if severity is not None and severity not in get_args(Severity):
            raise ConfigError(f"gate(severity={severity!r})", nearest(str(severity), get_args(Severity)))
        if rule is None:
            pytest.skip(otherwise)
        first = self._decide(rule, suite_of(self._node), severity or severity_by_default(self._node))
        against = self._baseline.against(rule) if self._baseline is not None and first.outcome != "error" else None
        second = [] if against is None else [self._decide(against, SUITE, first.severity)]
        try:
            for verdict in (first, *second):
                self._enforce(verdict)
        except (GateError, pytest.fail.Exception) as raised:
            self.raised = raised
            raise
        return first

    def unreported(self) -> list[Verdict]:
        """Verdicts since this was last asked: a test reports its set-up, its subtests and itself one after the other."""
        new = self.verdicts[self._reported :]
        self._reported = len(self.verdicts)
        return new

    def _decide(self, rule: Gateable, suite: str, severity: Severity) -> Verdict:
        from harness.records import Verdict
        from harness.runs.gate_names import in_suite

        started = time.perf_counter()
        decided = rule.decide()
        self._named[suite, decided.gate] += 1
        named = dataclasses.replace(
            in_suite(decided, suite, self._named[suite, decided.gate]),
            test=self._node.nodeid,
            duration_s=time.perf_counter() - started,
        )
        named = self.stand.get(named.gate, named)
        judged = self._policy.applied(named, severity)
        verdict = Verdict.from_json(judged.to_json())  # a mistyped one of a rule from elsewhere is that test's error
        self.verdicts.append(verdict)
        return verdict

    def _enforce(self, verdict: Verdict) -> None:
        from harness.report.standing import lapsed

        lapse = lapsed(verdict)
        error = GateError(f"{verdict.gate}: {verdict.reason}" + (f"\n  {lapse}" if lapse else ""), verdict.remedy)
        if verdict.outcome == "error" and verdict.counts:
            raise error
        if fails_test(verdict, self._settings):
            pytest.fail(f"inconclusive: {error}" if verdict.outcome == "inconclusive" else str(error), pytrace=False)
        if verdict.outcome == "inconclusive" and verdict.counts:
            with contextlib.suppress(
                InconclusiveWarning
            ):  # where warnings are errors it is still undecided, and no error
                warnings.warn(InconclusiveWarning(str(error)), stacklevel=3)


def fails_test(verdict: Verdict, settings: Settings) -> bool:
    """Whether a gate that came out so fails its test."""
    outcome = verdict.bearing
    return settings.inconclusive == "fail" if outcome == "inconclusive" else outcome != "pass"


def severity_by_default(node: pytest.Item) -> Severity:
    """The severity of a test's gates where nothing is said of them: without integrity nothing else means anything."""
    spec = _task_gate(node)
    if spec is not None and spec.severity is not None:
        return spec.severity
    return "critical" if node.get_closest_marker("integrity") is not None else "supporting"


def suites_of(items: Sequence[pytest.Item], config: Config) -> dict[str, Collected]:
    """The suites of these tests, which all gate. The gates of one are known where each of its tests takes a `task_gate`."""
    from harness.gates import gates_from_config
    from harness.gates.policy import Collected

    specs: list[GateSpec] = []
    for task, spec in config.tasks.items():
        with Complaints().noting():  # noted where the tests were made
            specs += gates_from_config(task, spec.get("gates"))
    by_suite: dict[str, list[pytest.Item]] = {}
    for item in items:
        by_suite.setdefault(suite_of(item), []).append(item)
    return {
        suite: Collected(
            "critical" if all(item.get_closest_marker("integrity") for item in own) else "supporting",
            {one.name: one.severity for one in specs} if all(map(_task_gate, own)) else None,
        )
        for suite, own in by_suite.items()
    }


def _task_gate(node: pytest.Item) -> GateSpec | None:
    """The gate of assay.yaml that a test is run for."""
    from harness.gates import GateSpec

    called = getattr(node, "callspec", None)
    spec = None if called is None else called.params.get("task_gate")
    return spec if isinstance(spec, GateSpec) else None


def suite_of(node: pytest.Item) -> str:
    """What names of a test's gates begin with."""
    return node.path.stem.removeprefix("test_")
