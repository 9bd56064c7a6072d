"""What comes with adapter-assay, registered by the hooks that every plugin uses. Imports a thing when it is asked for."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.hookspecs import Register, hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.runs.run import Run


@hookimpl
def register_task_kinds(register: Register) -> None:
    """Rows of a file, benchmarks of lm-eval, prompts whose answers are classified, and open instructions."""
    from harness.tasks.classification import CLASSIFICATION
    from harness.tasks.lm_eval.task import LM_EVAL
    from harness.tasks.multiple_choice import MULTIPLE_CHOICE
    from harness.tasks.open_sets import INSTRUCTIONS
    from harness.tasks.plain_text import PLAIN_TEXT
    from harness.tasks.references import EXACT_MATCH, GENERATION
    from harness.tasks.safety.build import CONTINUATION, SAFETY
    from harness.tasks.tool_calls import TOOL_CALLS
    from harness.tasks.worked_answer import WORKED_ANSWER

    of_rows = (TOOL_CALLS, CLASSIFICATION, EXACT_MATCH, GENERATION, MULTIPLE_CHOICE, WORKED_ANSWER, PLAIN_TEXT)
    for kind in (*of_rows, LM_EVAL, SAFETY, CONTINUATION, INSTRUCTIONS):
        register(kind)


@hookimpl
def register_tasks(register: Register) -> None:
    """Small sets written for this project, and the public ones they stand in for."""
    from harness.scaffold import shipped
    from harness.tasks.built_in import BENCHMARKS, BUILT_IN
    from harness.tasks.kinds import NamedTask
    from harness.tasks.open_sets import OPEN_TASKS
    from harness.tasks.safety.sources import SAFETY_SETS

    for name, spec in {**BUILT_IN, **BENCHMARKS, **SAFETY_SETS, **OPEN_TASKS}.items():
        register(NamedTask(name, spec, shipped("fixtures").parent))


@hookimpl
def register_data_formats(register: Register) -> None:
    """The four that trainers know, in the order in which a row is held against them."""
    from harness.tasks.shipped_formats import SHIPPED

    for one in SHIPPED:
        register(one)


@hookimpl
def register_metrics(register: Register) -> None:
    """Those of short answers as SQuAD defines them, and overlap with references."""
    from harness.metrics.answers import SHIPPED

    for one in SHIPPED:
        register(one)


@hookimpl
def register_gate_rules(register: Register) -> None:
    """Two that compare with the base, and two on the candidate's own level."""
    from harness.gates.kinds import SHIPPED

    for one in SHIPPED:
        register(one)


@hookimpl
def register_scorers(register: Register) -> None:
    """The grammar of refusals, a judge by a rubric, classifiers of the hub, and a list of words."""
    from harness.safety.hub import HubScorer
    from harness.safety.rubric import RubricScorer
    from harness.safety.scorers import RulesScorer, ScorerKind
    from harness.safety.toxicity import HubToxicity, LexiconScorer

    register(ScorerKind("rules", "rules", refusals=lambda wanted: RulesScorer()))
    register(ScorerKind("judge", "judge", refusals=lambda wanted: RubricScorer(wanted.need_judge())))
    register(ScorerKind("lexicon", "lexicon", toxicity=lambda wanted: LexiconScorer()))
    register(
        ScorerKind(
            "hub",
            "hub:ID of a text classifier",
            refusals=lambda wanted: HubScorer(wanted.value, wanted.safety.labels),
            toxicity=lambda wanted: HubToxicity(wanted.value, wanted.safety.toxicity_label),
        )
    )


@hookimpl
def register_engines(register: Register) -> None:
    """Servers that speak OpenAI's API, and llama.cpp for GGUF files."""
    from harness.engines.backends import GGUF, OPENAI

    register(OPENAI)
    register(GGUF)


@hookimpl
def register_trainers(register: Register) -> None:
    """What most share first, and then whoever tells the same thing better."""
    from harness.models.trainers.axolotl import AXOLOTL
    from harness.models.trainers.distributed import DISTRIBUTED
    from harness.models.trainers.litgpt import LITGPT
    from harness.models.trainers.llama_factory import LLAMA_FACTORY
    from harness.models.trainers.mlx import MLX
    from harness.models.trainers.openai_jobs import OPENAI_JOBS
    from harness.models.trainers.tinker import TINKER
    from harness.models.trainers.torchtune import TORCHTUNE
    from harness.models.trainers.trl import TRL
    from harness.models.trainers.unsloth import UNSLOTH

    for one in (TRL, UNSLOTH, AXOLOTL, LLAMA_FACTORY, TORCHTUNE, LITGPT, MLX, TINKER, OPENAI_JOBS, DISTRIBUTED):
        register(one)


@hookimpl
def register_run_exporters(register: Register) -> None:
    """`report.html`, `summary.md` and `junit.xml`."""
    from harness.report import render_html, render_junit, render_summary
    from harness.runs.exporters import RunExporter

    for name, render in (("report.html", render_html), ("summary.md", render_summary), ("junit.xml", render_junit)):
        register(RunExporter(name, partial(_write, name, render)))


def _write(name: str, render: Callable[[Run], str], run: Run, run_dir: Path) -> None:
    from harness.runs.location import write_atomically

    write_atomically(run_dir / name, render(run).encode())
