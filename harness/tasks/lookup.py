"""Which task a name means: of the configuration file, of the package, or of lm-eval."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.config import FILE_NAME
from harness.config.settings import Settings
from harness.errors import TaskError
from harness.judging.instructions import OPEN_TASKS, open_task
from harness.lm_eval_bridge import LmEvalOptions
from harness.lm_eval_bridge.specification import LM_EVAL_KIND, lm_eval_task
from harness.safety.build import SAFETY_KINDS, safety_task
from harness.safety.scoring import Rater
from harness.safety.sets import SAFETY_SETS
from harness.tasks.base import TaskLike
from harness.tasks.build import KINDS, build_task
from harness.tasks.built_in import BENCHMARKS, BUILT_IN
from harness.tasks.options import Options

Spec = Mapping[str, Any]


def find_task(
    name: str, settings: Settings, *, fewshot: int | None = None, judge: Callable[[], Rater] | None = None
) -> TaskLike:
    """The task of that name, cut to the profile's limits.

    Args:
        name: under `tasks:` of the configuration file, of the package, or a task, group, tag or YAML file of lm-eval.
        fewshot: examples in the prompt. Other than the task's own number they make it another task, named as such.
        judge: makes the judge, for tasks whose answers one classifies.

    Raises:
        TaskError: there is no such task, its specification is wrong, or it takes no few-shot examples.
        DataError: its data cannot be read.
    """
    if name in OPEN_TASKS and name not in settings.config.tasks:
        return open_task(name, settings)
    spec, root = _specification(name, settings)
    limit = settings.profile.limit_of(name)
    if fewshot is not None and fewshot != spec.get("fewshot", spec.get("shots")):
        spec, name = _with_fewshot(name, spec, fewshot), f"{name}-{fewshot}shot"
    options = Options(name, spec)
    kind = options.choice("kind", (*KINDS, *SAFETY_KINDS, LM_EVAL_KIND), default=options.required("kind"))
    if kind in SAFETY_KINDS:
        return safety_task(name, spec, settings, root=root, limit=limit, judge=judge)
    if kind != LM_EVAL_KIND:
        return build_task(name, spec, root=root, limit=limit)
    defaults = LmEvalOptions(
        max_items=limit,
        max_leaves=settings.profile.subjects,
        chat_template=settings.chat_template,
        data_dir=settings.data_dir,
    )
    return lm_eval_task(name, spec, root=root, defaults=defaults)


def _specification(name: str, settings: Settings) -> tuple[Spec, Path]:
    """What `tasks:` says or would say of the task, and the directory that paths in it start at."""
    own, root = settings.config.tasks, settings.config.root
    if name in own:
        spec = own[name]
        # the name stays where the few-shot count becomes part of the task's
        return ({"task": name, **spec} if spec.get("kind") == LM_EVAL_KIND else spec), root
    packaged = BUILT_IN.get(name) or SAFETY_SETS.get(name)
    if packaged is not None:
        from harness.scaffold import shipped

        return packaged, shipped("fixtures").parent
    if name in BENCHMARKS:
        return {"task": name, **BENCHMARKS[name]}, root
    if not name.endswith((".yaml", ".yml")):
        _check_known_to_lm_eval(name, settings)
    return {"kind": LM_EVAL_KIND, "task": name}, root


def _with_fewshot(name: str, spec: Spec, fewshot: int) -> Spec:
    if spec.get("kind") == LM_EVAL_KIND:
        return {**spec, "fewshot": fewshot}
    if "examples" not in spec:
        raise TaskError(
            f"task {name!r} takes no few-shot examples; fewshot={fewshot} has no effect",
            "leave fewshot out, or give the task `examples: FILE` (kinds multiple_choice and worked_answer)",
        )
    if fewshot:
        return {**spec, "shots": fewshot}
    return {key: value for key, value in spec.items() if key not in ("examples", "shots")}


def _check_known_to_lm_eval(name: str, settings: Settings) -> None:
    from harness.lm_eval_bridge.index import stock_index

    index = stock_index()
    if name in index:
        return
    there = ", ".join(sorted(settings.config.tasks)) or f"none: add a `tasks:` section to {FILE_NAME}"
    close = difflib.get_close_matches(name, index, n=5)
    similar = f"; lm-eval knows similar ones: {', '.join(close)}" if close else "; `lm_eval ls tasks` lists lm-eval's"
    raise TaskError(
        f"task {name!r} is unknown",
        f"the tasks are: {there}; with the package come {', '.join((*BUILT_IN, *SAFETY_SETS, *BENCHMARKS))}{similar}",
    )
