"""Tasks as the judge sees them: what was asked, and what was said to it."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import TaskError
from harness.records import Sample
from harness.tasks.base import TaskLike
from harness.tasks.open_instructions import OpenTask
from harness.tasks.questions import Question, Reply
from harness.tasks.task import Task


def questions_of(task: TaskLike) -> list[Question]:
    """What a task asks, as the judge is shown it.

    Raises:
        TaskError: its answers are no text to be judged.
    """
    if isinstance(task, OpenTask):
        return list(task.questions)
    if not isinstance(task, Task):
        raise TaskError(
            f"task {task.name!r} is of a kind whose answers are not judged",
            "name one of a kind that generates text in `tasks:`, or leave judge.task to auto",
        )
    return [
        Question(
            id=item.id,
            turns=(item.prompt.display() if len(item.prompt.messages) != 1 else item.prompt.messages[0].content,),
            category=" ".join(item.tags.values()) or "all",
            reference=item.target if isinstance(item.target, str) else None,
            guided=isinstance(item.target, str),
            cluster=item.cluster,
        )
        for item in task.items
    ]


def replies_of(task: TaskLike, samples: Sequence[Sample]) -> dict[str, Reply]:
    """Item id -> what the model said; of an open task turn by turn."""
    return {s.item_id: tuple(s.parsed) if isinstance(task, OpenTask) else (s.answer,) for s in samples}
