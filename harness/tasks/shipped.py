"""The kinds of task, the tasks and the data formats that ship, registered as a plugin's are."""

from __future__ import annotations

from harness.hookspecs import Register, hookimpl
from harness.tasks.layouts import register_data_formats

__all__ = ["register_data_formats", "register_task_kinds", "register_tasks"]


@hookimpl
def register_task_kinds(register: Register) -> None:
    """The kinds whose items are rows of a file."""
    from harness.tasks.classification import CLASSIFICATION
    from harness.tasks.multiple_choice import MULTIPLE_CHOICE
    from harness.tasks.plain_text import PLAIN_TEXT
    from harness.tasks.question_answering import EXACT_MATCH
    from harness.tasks.text_generation import GENERATION
    from harness.tasks.tool_calls import TOOL_CALLS
    from harness.tasks.worked_answer import WORKED_ANSWER

    kinds = (TOOL_CALLS, CLASSIFICATION, EXACT_MATCH, GENERATION, MULTIPLE_CHOICE, WORKED_ANSWER, PLAIN_TEXT)
    for kind in kinds:
        register(kind)


@hookimpl
def register_tasks(register: Register) -> None:
    """Small sets written for this project, and the benchmarks they stand in for."""
    from harness.scaffold import shipped
    from harness.tasks.built_in import BENCHMARKS, BUILT_IN
    from harness.tasks.kinds import NamedTask

    for name, spec in BUILT_IN.items():
        register(NamedTask(name, spec, shipped("fixtures").parent))
    for name, spec in BENCHMARKS.items():
        register(NamedTask(name, spec))
