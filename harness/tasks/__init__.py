"""Items, prompts and grading: what is measured."""

from harness.tasks.base import Grade, Grader, Item, TaskLike
from harness.tasks.build import build_task
from harness.tasks.formats import Example
from harness.tasks.task import Task

__all__ = ["Example", "Grade", "Grader", "Item", "Task", "TaskLike", "build_task"]
