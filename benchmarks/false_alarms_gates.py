"""The regression gates of `smoke`, as its suites put them, over samples that are at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from typing import Any

from benchmarks.false_alarms_adapters import FORGETTING, Measured
from harness.config import Config
from harness.gates import Comparison, Evaluation, Gateable, GateSpec, gates_from_config
from harness.gates.baseline import AgainstBaseline, is_stored, paired_rule
from harness.metrics.base import STOPS
from harness.records import Sample, Verdict
from harness.tasks.base import TaskLike

FORGETTING_FAMILY, OVERFITTING_FAMILY, RELEASED_FAMILY = "forgetting", "overfitting", "released"
_FORGETTING_SUITE, _OVERFITTING_SUITE = "suites.test_forgetting", "suites.test_overfitting"
_ON_SAMPLES = frozenset({"forgetting", "compare", "margins_of"})
_ON_ANSWERS = frozenset({"answers", "overfitting_rules_of"})
_ON_LOGS = frozenset({"training_points", "margins"})

Samples = Mapping[str, Sequence[Sample]]
"""Task -> samples, in one order for every model."""


@dataclass(frozen=True)
class Scene:
    """What one run has at hand."""

    tasks: Mapping[str, TaskLike]
    base: Samples
    released: Samples
    candidate: Samples


@dataclass(frozen=True)
class Gate:
    """A gate and what it guards against."""

    family: str
    gateable: Gateable

    def decide(self) -> tuple[str, Verdict]:
        """Its name, unlike any other gate's, and the verdict."""
        verdict = self.gateable.decide()
        return f"{self.family}/{verdict.gate}", verdict


def regression_gates(config: Config, scene: Scene) -> list[Gate]:
    """What is held against the base on stored samples, and every rule over samples once more against the released adapter.

    As the plugin does with `--baseline`: gates that ask for a gain over the base, or for a level, are no regression gates,
    but what they measure is held against the released adapter.
    """
    compared = {name: Comparison(scene.tasks[name], base, scene.candidate[name]) for name, base in scene.base.items()}
    fixtures = {"forgetting": FORGETTING, "compare": compared.__getitem__, "margins_of": config.margins_of}
    kept = _put(_FORGETTING_SUITE, fixtures)
    answering = [
        gateable
        for name in config.tasks
        if STOPS in scene.base[name][0].scores
        for gateable in _put(
            _OVERFITTING_SUITE, {"answers": compared[name], "overfitting_rules_of": config.overfitting_of}
        )
    ]
    asked = [spec.apply(compared[spec.task]) for spec in task_gates(config)]
    return [
        *(Gate(FORGETTING_FAMILY, gateable) for gateable in kept),
        *(Gate(OVERFITTING_FAMILY, gateable) for gateable in answering),
        *(
            Gate(RELEASED_FAMILY, released)
            for gateable in (*kept, *answering, *asked)
            if (released := _against(config, scene, gateable))
        ),
    ]


def log_gates(config: Config, measured: Measured) -> list[Gate]:
    """What is asked of the adapter's training log. There are no items, so nothing to resample."""
    fixtures = {"training_points": (measured.points, measured.kept_step), "margins": config.margins}
    return [Gate(OVERFITTING_FAMILY, gateable) for gateable in _put(_OVERFITTING_SUITE, fixtures)]


def task_gates(config: Config) -> list[GateSpec]:
    """The gates of all tasks of the configuration file."""
    return [spec for name, task in config.tasks.items() for spec in gates_from_config(name, task.get("gates"))]


def _against(config: Config, scene: Scene, gateable: Gateable) -> AgainstBaseline | None:
    rule = paired_rule(gateable)
    if rule is None:
        return None
    task = rule.measurement.task
    candidate, released = Evaluation(scene.tasks[task], scene.candidate[task]), scene.released[task]
    if not is_stored(rule, candidate, released):
        return None
    return AgainstBaseline(rule, candidate, released, "the released adapter", {}, config.margins_of(task).baseline)


def left_out() -> list[str]:
    """Tests of the suites that take more than stored samples and a training log: theirs are not among the gates here."""
    known = {_FORGETTING_SUITE: [_ON_SAMPLES], _OVERFITTING_SUITE: [_ON_LOGS, _ON_ANSWERS]}
    return [
        f"{suite.rpartition('.')[2]}::{name}"
        for suite, sets in known.items()
        for name, test in _tests(suite).items()
        if not any(_wanted(test) <= fixtures for fixtures in sets)
    ]


def _put(suite: str, fixtures: Mapping[str, Any]) -> list[Gateable]:
    """What the tests of a suite put to `gate`, of those that need nothing else."""
    put: list[Gateable] = []

    def gate(rule: Gateable | None, **_: str) -> None:
        if rule is not None:
            put.append(rule)

    for test in _tests(suite).values():
        if _wanted(test) <= fixtures.keys():
            test(gate=gate, **{fixture: fixtures[fixture] for fixture in _wanted(test)})
    return put


def _tests(suite: str) -> dict[str, Callable[..., None]]:
    return {name: test for name, test in vars(import_module(suite)).items() if name.startswith("test_")}


def _wanted(test: Callable[..., None]) -> set[str]:
    return set(signature(test).parameters) - {"gate"}
