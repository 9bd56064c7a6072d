"""Open instructions as a kind of task, and the sets of them that ship. Registered as a plugin's are."""

from __future__ import annotations

from harness.hookspecs import Register, hookimpl


@hookimpl
def register_task_kinds(register: Register) -> None:
    """Instructions without a right answer, for a judge to read the answers."""
    from harness.judging.instructions import INSTRUCTIONS

    register(INSTRUCTIONS)


@hookimpl
def register_tasks(register: Register) -> None:
    """AlpacaEval, MT-Bench and Vicuna of the data directory, and the small set of the package."""
    from harness.judging.instructions import OPEN_TASKS
    from harness.scaffold import shipped
    from harness.tasks.kinds import NamedTask

    for name, spec in OPEN_TASKS.items():
        register(NamedTask(name, spec, shipped("fixtures").parent))
