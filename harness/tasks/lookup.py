"""Which task a name means: of the configuration file, of those registered by name, or of lm-eval."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.config import FILE_NAME
from harness.config.settings import Settings
from harness.errors import TaskError
from harness.tasks.base import TaskLike
from harness.tasks.kinds import NAMED_TASKS, Spec, TaskContext, TaskKind, kind_of


def find_task(
    name: str, settings: Settings, *, fewshot: int | None = None, judge: Callable[[], Any] | None = None
) -> TaskLike:
    """The task of that name, cut to the profile's limits.

    Args:
        name: under `tasks:` of the configuration file, of the package or a plugin, or a task, group, tag or YAML file of
            lm-eval.
        fewshot: examples in the prompt. Other than the task's own number they make it another task, named as such.
        judge: makes the judge, for tasks whose answers one classifies.

    Raises:
        TaskError: there is no such task, its specification is wrong, or it takes no few-shot examples.
        DataError: its data cannot be read.
    """
    spec, root = _specification(name, settings)
    kind, context = kind_of(name, spec), task_context(name, settings, root, judge)
    if fewshot is not None and fewshot != spec.get("fewshot", spec.get("shots")):
        spec, name = _with_fewshot(kind, name, spec, fewshot), f"{name}-{fewshot}shot"
    return kind.make(name, spec, context)


def task_context(name: str, settings: Settings, root: Path, judge: Callable[[], Any] | None = None) -> TaskContext:
    """What the task of that name is built with in a session of these settings."""
    return TaskContext(
        root=root,
        limit=settings.profile.limit_of(name),
        subjects=settings.profile.subjects,
        data_dir=settings.data_dir,
        chat_template=settings.chat_template,
        safety=settings.safety,
        judging=settings.judging,
        judge=judge,
    )


def _specification(name: str, settings: Settings) -> tuple[Spec, Path]:
    """What `tasks:` says or would say of the task, and the directory that paths in it start at."""
    root = settings.config.root
    if name in settings.config.tasks:
        return settings.config.tasks[name], root
    if name in NAMED_TASKS:
        named = NAMED_TASKS.get(name)
        return named.spec, named.root or root
    if not name.endswith((".yaml", ".yml")):
        _check_known_to_lm_eval(name, settings)
    return {"kind": "lm_eval"}, root


def _with_fewshot(kind: TaskKind[Any], name: str, spec: Spec, fewshot: int) -> Spec:
    changed = kind.with_fewshot(name, spec, fewshot)
    if changed is None:
        raise TaskError(
            f"task {name!r} takes no few-shot examples; fewshot={fewshot} has no effect",
            "leave fewshot out, or give the task `examples: FILE` (kinds multiple_choice and worked_answer)",
        )
    return changed


def _check_known_to_lm_eval(name: str, settings: Settings) -> None:
    from harness.tasks.lm_eval.names import stock_names

    index = stock_names()
    if name in index:
        return
    there = ", ".join(sorted(settings.config.tasks)) or f"none: add a `tasks:` section to {FILE_NAME}"
    close = difflib.get_close_matches(name, index, n=5)
    similar = f"; lm-eval knows similar ones: {', '.join(close)}" if close else "; `lm_eval ls tasks` lists lm-eval's"
    raise TaskError(
        f"task {name!r} is unknown",
        f"the tasks are: {there}; there by name are {', '.join(NAMED_TASKS.names())}{similar}",
    )
