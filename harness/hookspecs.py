"""The whole plugin surface: every hook by which a distribution adds to adapter-assay, and by which what ships is added.

A plugin is a module that implements some of these with `hookimpl`, named in its distribution's metadata:

    [project.entry-points.adapter_assay]
    my_plugin = "my_package.assay"

Each hook is called once, when something of its kind is first asked for, with `register`: call that once for each thing to
add. A name that is taken is an error which names both distributions. `docs/extending.md` has an example of each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pluggy

PROJECT = "adapter_assay"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

Register = Callable[[Any], None]


@hookspec
def register_task_kinds(register: Register) -> None:
    """Add kinds of task (`kind:` under `tasks:` of assay.yaml): each a `harness.tasks.kinds.TaskKind`."""


@hookspec
def register_tasks(register: Register) -> None:
    """Add tasks that are there by name, as `mini_knowledge` is: each a `harness.tasks.kinds.NamedTask`."""


@hookspec
def register_data_formats(register: Register) -> None:
    """Add formats of training and test rows (`format:`): each a `harness.tasks.formats.DataFormat`."""


@hookspec
def register_metrics(register: Register) -> None:
    """Add metrics of a written answer (`metrics:` of a task): each an `AnswerMetric` of `harness.metrics.answers` or, with an
    argument, an `AssertionKind` of `harness.metrics.assertions`."""


@hookspec
def register_gate_rules(register: Register) -> None:
    """Add rules (`{metric: ..., RULE: threshold}` under `gates:`): each a `harness.gates.kinds.RuleKind`."""


@hookspec
def register_scorers(register: Register) -> None:
    """Add scorers of answers (`safety: scorer:` and `toxicity_scorer:`): each a `harness.safety.scorers.ScorerKind`."""


@hookspec
def register_engines(register: Register) -> None:
    """Add engines (`--model=SCHEME:NAME`, `--adapter=SCHEME:NAME`): each a `harness.engines.backends.ServingEngine`."""


@hookspec
def register_trainers(register: Register) -> None:
    """Add readers of what a trainer leaves beside the weights: each a `harness.models.trainers.registry.Trainer`."""


@hookspec
def register_run_exporters(register: Register) -> None:
    """Add files that are written beside a finished run: each a `harness.runs.exporters.RunExporter`."""


@hookspec
def register_report_panels(register: Register) -> None:
    """Add panels to `report.html`, as facts and tables: each a `harness.report.panels.ReportPanel`."""
