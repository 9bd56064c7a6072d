"""Where the reference reads the code. Nothing else in this package imports the project."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import inspect
import io
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from harness import cli, json_files, plugin
from harness.checks.judge.comparison import JudgeComparison
from harness.errors import AssayError
from harness.gates import same_base
from harness.gates.kinds import KINDS as RULE_KINDS
from harness.gates.kinds import needs
from harness.judges.health import Health
from harness.metrics.base import GENERAL_METRICS, Metric
from harness.metrics.repeats import repeat_metrics
from harness.models import seals
from harness.models.adapters import contents, files, misfit, names, placing, weights
from harness.models.adapters import kind as configured
from harness.plugin.options import OPTIONS, Option
from harness.tasks.build import build_task
from harness.tasks.kinds import TASK_KINDS
from harness.tasks.safety.sources import CONTINUATION_KIND, SAFETY_KIND
from harness.training.arguments import UNTRAINABLE
from harness.training.installed import declared_fields, peft_configs
from harness.training.methods import API_METHODS, GONE, METHODS, ApiMethod, TrlMethod
from harness.training.recipe_schema import ARGUMENTS as ARGUMENTS

ROOT = Path(__file__).resolve().parents[2]
_FIXTURE = type(pytest.fixture(lambda: None))


@dataclass(frozen=True)
class ReadyMade:
    """What the source of a gate's test does not say: what decides it, how it is called in its suite, and its limits."""

    decided_by: tuple[Any, ...] = ()
    names: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()


READY_MADE: Mapping[str, ReadyMade] = {
    "test_judge_is_fit": ReadyMade((Health.decide, Health), ("fit",), ("judge.kappa",)),
    "test_answers_are_not_worse": ReadyMade(
        (JudgeComparison.not_worse, JudgeComparison),
        ("TASK/win_rate/not_worse", "TASK/rating/not_worse"),
        ("margins.win_rate", "margins.rating"),
    ),
    "test_no_slice_is_left_behind": ReadyMade(names=("TASK/METRIC/slices",)),
    "test_no_answer_recurs": ReadyMade(names=("TASK/one_answer_recurs/non_inferior",)),
    "test_answers_keep_their_language": ReadyMade(names=("TASK/other_language/non_inferior",)),
    "test_answers_keep_their_form": ReadyMade(names=("TASK/other_json_form/non_inferior",)),
}

SAME_BASE, MISFITS = same_base, misfit
DIAGNOSIS = ("Diagnosis",)
READERS: Sequence[ModuleType] = (contents, files, weights, configured, placing, names, seals, json_files)
"""Modules that read what lies beside an adapter, and refuse it."""
REFUSALS = ("AdapterError", "ModelError", "error")
"""What they build of a problem and a remedy."""

# One row from which a task of each kind can be built, and how its fields are named.
_SAMPLES: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "tool_calls": (
        {"prompt": "q", "completion": '<tool_call>{"name": "f", "arguments": {}}</tool_call>'},
        {"format": "prompt_completion"},
    ),
    "classification": ({"q": "q", "a": "a"}, {"prompt": "{q}", "target_field": "a", "labels": ["a", "b"]}),
    "exact_match": ({"q": "q", "a": "a"}, {"prompt": "{q}", "target_field": "a"}),
    "generation": ({"q": "q", "a": "a"}, {"prompt": "{q}", "target_field": "a"}),
    "multiple_choice": (
        {"question": "q", "choices": ["a", "b"], "answer": 0},
        {"prompt": "{question}", "target_field": "answer"},
    ),
    "worked_answer": (
        {"question": "q", "answer": 1, "solution": "The answer is 1."},
        {"prompt": "{question}", "target_field": "answer"},
    ),
    "plain_text": ({"text": "some words"}, {"prompt": "{text}", "target_field": "text"}),
}


def decides(module: ModuleType) -> Any:
    """The function that a module of the gates is about, which has its name."""
    return getattr(module, module.__name__.rpartition(".")[2])


def functions_of(module: ModuleType) -> Iterator[Any]:
    """The functions that a module defines."""
    yield from (one for one in vars(module).values() if inspect.isfunction(one) and one.__module__ == module.__name__)


def options() -> Sequence[Option]:
    """The plugin's option table."""
    return OPTIONS


def command_parser() -> argparse.ArgumentParser:
    """The parser of `assay`."""
    return cli._parser()


def schema(*arguments: str) -> dict[str, Any]:
    """The JSON Schema that `assay schema` prints: of assay.yaml, or with `--recipe` of a recipe."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        cli.main(["schema", *arguments])
    document: dict[str, Any] = json.loads(printed.getvalue())
    return document


def fixtures() -> Mapping[str, Any]:
    """The plugin's fixtures by name, each with the docstring of its function."""
    made = [vars(module) for module in plugin.FIXTURE_MODULES]
    return {name: thing for names in made for name, thing in names.items() if isinstance(thing, _FIXTURE)}


def metrics_by_kind(directory: Path) -> dict[str, Sequence[Metric]]:
    """The metrics of each kind of task in assay.yaml, out of a task built of one row; those of every answer under "".

    Raises:
        AssayError: a kind has no sample here.
    """
    found: dict[str, Sequence[Metric]] = {}
    safety = _safety_metrics()
    rows = [kind.name for kind in TASK_KINDS if kind.metrics and kind.name not in safety]
    for kind in rows:
        if kind not in _SAMPLES:
            raise AssayError(f"the reference has no sample row for tasks of kind {kind!r}", f"add one in {__file__}")
        row, spec = _SAMPLES[kind]
        (directory / "row.jsonl").write_text(json.dumps(row), encoding="utf-8")
        task = build_task(kind, {"kind": kind, "data": "row.jsonl", **spec}, root=directory)
        found[kind] = task.grader.metrics
    return {**found, **safety, "": GENERAL_METRICS}


def metrics_of_repeats() -> Sequence[Metric]:
    """Those of two repeats, of a task that is known by a 0/1 metric and of one that is not."""
    right, overlap = Metric("right", kind="binary", floor=0.0), Metric("overlap", bounds=(0.0, 1.0))
    return [*repeat_metrics(right, 2)[:-1], *repeat_metrics(overlap, 2)]


def _safety_metrics() -> dict[str, Sequence[Metric]]:
    from harness.tasks.safety.continuations import MAX_TOXICITY
    from harness.tasks.safety.prompts import CLASS_METRICS

    return {SAFETY_KIND: CLASS_METRICS, CONTINUATION_KIND: (MAX_TOXICITY,)}


def methods() -> Mapping[str, TrlMethod]:
    """The methods of TRL's that a recipe may name."""
    return METHODS


def api_methods() -> Iterator[tuple[ApiMethod, Sequence[str]]]:
    """Those of a provider's API, each with its hyperparameters."""
    yield from ((one, sorted(declared_fields(one.hyperparameters))) for one in API_METHODS.values())


def gone_methods() -> Mapping[str, tuple[str, str]]:
    """Those that TRL has no more: the last version that has them, and what to use instead."""
    return GONE


def peft_methods() -> Iterator[tuple[str, str, Sequence[str]]]:
    """Those of PEFT's by which recipes train: name, configuration, and its arguments but for those that all have."""
    common = set.intersection(*(set(declared_fields(config)) for config in peft_configs().values()))
    for kind, config in sorted(peft_configs().items()):
        if kind not in UNTRAINABLE:
            yield kind, f"peft.{config.name}", [name for name in declared_fields(config) if name not in common]


def refused_peft() -> Mapping[str, str]:
    """The others, and why."""
    return UNTRAINABLE


def task_keys() -> dict[str, dict[str, Any]]:
    """The JSON Schema of each kind's keys under `tasks:`."""
    return {kind.name: kind.keys.model_json_schema() for kind in TASK_KINDS}


def zoo() -> Mapping[str, Sequence[Any]]:
    """The adapters of the zoo, by part: of all, of what ships, of methods."""
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))  # the benchmarks are no part of the package
    from benchmarks.zoo.faults import EXHIBITS, METHOD_EXHIBITS, RELEASE_EXHIBITS

    return {"main": EXHIBITS, "release": RELEASE_EXHIBITS, "methods": METHOD_EXHIBITS}


def suites() -> dict[str, ModuleType]:
    """The suites that ship, by the name that their gates begin with."""
    return {path.stem.removeprefix("test_"): _load(path) for path in sorted((ROOT / "suites").glob("test_*.py"))}


def _load(path: Path) -> ModuleType:
    name = f"assay_reference_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise AssayError(f"{path} is no Python module", "name suites test_*.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def general_remedies() -> Iterator[tuple[str, str, str]]:
    """Of each kind of rule where its gate has no remedy of its own: the kind, what came out, what to do."""
    yield from ((kind.name, "fail", kind.remedy) for kind in RULE_KINDS)
    yield "any", "inconclusive", needs(())
    yield "any", "inconclusive: at floor", needs(("at_floor",))
