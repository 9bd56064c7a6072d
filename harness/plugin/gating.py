"""Decide a gate, record its verdict, and tell pytest."""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections import Counter

import pytest

from harness.config.settings import Settings
from harness.errors import AssayError
from harness.gates import Gateable
from harness.plugin.baseline import BaselineRun
from harness.records import Outcome, Verdict
from harness.runs.baselines import SUITE
from harness.runs.gate_names import in_suite

GATE: pytest.StashKey[Gate] = pytest.StashKey()


class GateError(AssayError):
    """A gate could not be measured."""


class InconclusiveWarning(UserWarning):
    """A gate could not be decided, under a profile that lets that pass."""


class Gate:
    """The `gate` fixture: call it with a rule or a check.

    A failed gate fails the test, an unmeasurable one makes it an error, an inconclusive one does what
    `--inconclusive` says. A test may gate several times; the first that fails ends it. With `--baseline`, a rule that
    compares with the base is put to the baseline adapter as well, and fails its test alike.

    Attributes:
        verdicts: decided so far.
        raised: what the last enforced verdict raised; any other failure of the test has no verdict yet.
    """

    def __init__(self, node: pytest.Item, settings: Settings, baseline: BaselineRun | None = None) -> None:
        self.verdicts: list[Verdict] = []
        self.raised: BaseException | None = None
        self._node = node
        self._settings = settings
        self._baseline = baseline
        self._reported = 0
        self._named: Counter[tuple[str, str]] = Counter()

    def __call__(self, rule: Gateable | None) -> Verdict:
        """Decide, record and enforce. None, which a check is that does not apply, skips the test.

        Returns:
            The verdict on the rule itself.

        Raises:
            pytest.fail.Exception: the verdict is fail, or inconclusive where that fails.
            GateError: the verdict is error.
        """
        if rule is None:
            pytest.skip("the check does not apply to these data")
        first = self._decide(rule, suite_of(self._node))
        against = self._baseline.against(rule) if self._baseline is not None and first.outcome != "error" else None
        second = [] if against is None else [self._decide(against, SUITE)]
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

    def _decide(self, rule: Gateable, suite: str) -> Verdict:
        started = time.perf_counter()
        decided = rule.decide()
        self._named[suite, decided.gate] += 1
        named = dataclasses.replace(
            in_suite(decided, suite, self._named[suite, decided.gate]),
            test=self._node.nodeid,
            duration_s=time.perf_counter() - started,
        )
        verdict = Verdict.from_json(named.to_json())  # a mistyped one of a rule from elsewhere is that test's error
        self.verdicts.append(verdict)
        return verdict

    def _enforce(self, verdict: Verdict) -> None:
        error = GateError(f"{verdict.gate}: {verdict.reason}", verdict.remedy)
        if verdict.outcome == "error":
            raise error
        if fails_test(verdict.outcome, self._settings):
            pytest.fail(f"inconclusive: {error}" if verdict.outcome == "inconclusive" else str(error), pytrace=False)
        if verdict.outcome == "inconclusive":
            warnings.warn(InconclusiveWarning(str(error)), stacklevel=3)


def fails_test(outcome: Outcome, settings: Settings) -> bool:
    """Whether a gate that came out so fails its test."""
    return settings.inconclusive == "fail" if outcome == "inconclusive" else outcome != "pass"


def suite_of(node: pytest.Item) -> str:
    """What names of a test's gates begin with."""
    return node.path.stem.removeprefix("test_")
