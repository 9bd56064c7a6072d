"""Items, prompts and grading: what is measured."""

from harness.tasks.base import Grade, Grader, Item, Task
from harness.tasks.build import build_task
from harness.tasks.readers import Example, read_examples

__all__ = ["Example", "Grade", "Grader", "Item", "Task", "build_task", "read_examples"]
