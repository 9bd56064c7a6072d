"""What is wrong with what a session names, as far as files tell: all of it at once, before a model is loaded.

Imports nothing that computes: pytest collection runs it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeGuard

from harness.config.candidate import TEMPLATES
from harness.config.settings import Settings
from harness.errors import Complaints, DataError, TaskError, did_you_mean, nearest
from harness.gates.config import GateSpec
from harness.metrics.answers import ANSWER_METRICS
from harness.metrics.base import GENERAL_METRICS
from harness.metrics.repeats import names_of_repeats
from harness.models import resolve_model
from harness.models.subject import chosen_template
from harness.session.needs import Needs, at
from harness.session.subjects import Subjects, no_candidate
from harness.tasks.base import TaskLike
from harness.tasks.kinds import NAMED_TASKS, Spec, kind_of
from harness.tasks.lm_eval import LmEvalTask
from harness.tasks.lm_eval.names import stock_names
from harness.tasks.records import read_records
from harness.training.history import read_history
from harness.training.provider import sent_files
from harness.training.reading import Rows, rows_of, rows_without_recipe
from harness.training.recipe import Recipe
from harness.training.rewards import rewards_digest

Find = Callable[[str, int | None], TaskLike]
"""The task of a name, with so many few-shot examples."""

OF_ROWS = ("training_rows", "held_out_rows", "training_pairs", "held_out_pairs", "row_answers", "canaries")
"""Tasks that the overfitting suite makes of training data."""

_GOLD = ("llmbar", "mini_judge")
_FEWSHOT = re.compile(r"(.+)-\d+shot")


def check_files(settings: Settings, needs: Needs, find: Find, complaints: Complaints) -> None:
    """Note every complaint about what is needed: options, recipe, data, tasks, gates, limits.

    Args:
        find: builds a task, or gives the one that was built before.
    """
    if needs.candidate or needs.training_data:
        _check_subjects(settings, needs, complaints)
    _check_tasks(needs, find, complaints, settings)
    if needs.judge and settings.judge is not None:
        from harness.judges.inputs import read_gold

        with complaints.noting(
            "--judge" if settings.judge != settings.config.judge.model else at(settings, "judge.model")
        ):
            _ = settings.judge_spec
        with complaints.noting(at(settings, "judge.gold")):
            read_gold(settings)
    if needs.limits:
        _check_limits(settings, complaints)


def _check_tasks(needs: Needs, find: Find, complaints: Complaints, settings: Settings) -> None:
    found: dict[tuple[str, int | None], TaskLike | None] = {}

    def look_up(name: str, fewshot: int | None, origin: str) -> TaskLike | None:
        """The task; None where it was complained about before."""
        if (name, fewshot) not in found:
            found[name, fewshot] = None
            place = at(settings, f"tasks.{name}") if name in settings.config.tasks else origin
            with complaints.noting(place, instead_of=_said_by(place, name)):
                found[name, fewshot] = find(name, fewshot)
        return found[name, fewshot]

    for use in needs.tasks:
        task = look_up(use.name, use.fewshot, use.origin)
        for metric in use.metrics:
            with complaints.noting(use.origin):
                if _knows_metrics(task):
                    task.metric(metric)
                elif isinstance(task, LmEvalTask):
                    task.check_metric(metric)
    for one in needs.gates:
        task = look_up(one.gate.task, one.fewshot, one.origin)
        with complaints.noting(one.origin, instead_of=_said_by(one.origin, one.gate.task)):
            if _knows_metrics(task):
                one.gate.check(task)
            elif isinstance(task, LmEvalTask):
                task.check_metric(one.gate.metric)
            elif task is None and one.gate.task in settings.config.tasks:
                _check_metric_of_kind(one.gate, settings.config.tasks[one.gate.task])


def _said_by(origin: str, task: str) -> str:
    """How a problem begins that names the task as its place does; empty where the place does not."""
    return f"task {task!r}" if f"tasks.{task}" in origin else ""


def _knows_metrics(task: TaskLike | None) -> TypeGuard[TaskLike]:
    """Whether a task's metrics are known without reading a benchmark."""
    return task is not None and not isinstance(task, LmEvalTask)


def _check_metric_of_kind(gate: GateSpec, spec: Spec) -> None:
    """Refuse a metric that no task of the kind has; of a kind whose metrics depend on the task none is."""
    kind = kind_of(gate.task, spec)
    entries = spec.get("metrics")
    listed = [one for one in (entries if isinstance(entries, list) else [entries]) if isinstance(one, Mapping)]
    own = [name for one in listed if isinstance(name := one.get("name"), str)]
    repeats = spec.get("repeats")
    drawn = names_of_repeats(repeats) if isinstance(repeats, int) else ()
    known = [*kind.metrics, *(metric.name for metric in GENERAL_METRICS), *ANSWER_METRICS.names(), *own, *drawn]
    if kind.metrics and gate.metric not in known:
        raise TaskError(f"has no metric {gate.metric!r}", nearest(gate.metric, known))


def _check_subjects(settings: Settings, needs: Needs, complaints: Complaints) -> None:
    subjects, recipe = Subjects(settings), None
    with complaints.noting():
        named = settings.candidate_spec
        if named is None and needs.candidate:
            raise no_candidate()
        if named is not None:
            subjects.check_candidate()
        recipe = subjects.recipe
    if needs.served:
        with complaints.noting():
            _ = settings.served_model, settings.served_base_model
    if needs.shipped:
        with complaints.noting():
            subjects.check_shipped()
    with complaints.noting():
        if subjects.finder.base_spec.kind == "local":
            resolve_model(subjects.finder.base_spec)
    with complaints.noting():
        if subjects.chosen_template not in (None, *TEMPLATES):
            chosen_template(subjects.chosen_template, None)
    with complaints.noting(at(settings, "training.log")):
        if settings.config.training.log is not None:
            read_history(Path(), None, named=settings.config.root / settings.config.training.log)
    if recipe is not None:
        noted = len(complaints.noted)
        for part in recipe.parts:
            where = f"{part.name}.yaml" if part is recipe else part.name
            for role, file in part.data.files().items():
                with complaints.noting(f"{where}: data.{role}"):
                    _check_rows(rows_of(part, file), every=needs.every_row)
            with complaints.noting(where):
                rewards_digest(part)
        if isinstance(recipe, Recipe) and recipe.is_provided and len(complaints.noted) == noted:
            with complaints.noting(f"{recipe.name}.yaml"):
                sent = sent_files(recipe)
                if not subjects.finder.is_trained:  # what is trained costs nothing more
                    sent.estimate.check()
    config, data = settings.config, settings.config.data
    own = {"train": data.train, "validation": data.validation} if recipe is None and needs.training_data else {}
    for role, name in own.items():
        with complaints.noting(at(settings, f"data.{role}")):
            if name is not None:
                _check_rows(rows_without_recipe(config.root / name, data.format), every=needs.every_row)
    with complaints.noting(at(settings, "data.canaries")):
        if data.canaries is not None and needs.canaries:
            read_records(config.root / data.canaries)


def _check_rows(rows: Rows, *, every: bool) -> None:
    """Refuse a file of which no row, or not every one, can be trained on."""
    if rows.fault is not None:
        raise rows.fault
    refused: list[DataError] = []
    for one in rows.parsed if every else rows.one_by_one():
        if isinstance(one, DataError):
            refused.append(one)
        elif not every:
            return
    if refused:
        more = f" (and {len(refused) - 1} rows more cannot be read)" if len(refused) > 1 else ""
        raise DataError(f"{refused[0].problem}{more}", refused[0].remedy)


def _check_limits(settings: Settings, complaints: Complaints) -> None:
    """Limits and sizes of single tasks: those of a misspelt one would never be looked up, and the general ones hold."""
    config = settings.config
    sections = {
        "margins.tasks": config.margins.tasks,
        "overfitting.tasks": config.overfitting.tasks,
        f"profiles.{settings.profile.name}.limits": settings.profile.limits,
    }
    known = [*config.tasks, *settings.tasks, *NAMED_TASKS.names(), *OF_ROWS, *_GOLD]
    for section, limits in sections.items():
        for name in limits:
            plain = found[1] if (found := _FEWSHOT.fullmatch(name)) else name
            if not {name, plain} & set(known) and not {name, plain} & set(stock_names()):
                with complaints.noting(at(settings, f"{section}.{name}")):
                    remedy = f"{did_you_mean(name, known)}the tasks are: {', '.join(config.tasks) or 'none'}"
                    raise TaskError("there is no task of that name", remedy)
