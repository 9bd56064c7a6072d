"""What an answer to an item is held against as a text: what is asked, and what a model should write."""

from __future__ import annotations

from dataclasses import dataclass

from harness.engines.requests import SYSTEM_ROLES
from harness.records import Sample
from harness.tasks.base import Item, TaskLike, item_of
from harness.tasks.build import Teaches
from harness.tasks.targets import target_text
from harness.tasks.tool_calls import ToolCallGrader


@dataclass(frozen=True)
class Expected:
    """Of one item.

    Attributes:
        question: without system turns; empty where the task does not say.
        text: the right answer as a model should write it; empty where there is none.
    """

    question: str
    text: str


class ExpectedTexts:
    """Of every sample of a task."""

    def __init__(self, task: TaskLike) -> None:
        grader = getattr(task, "grader", None)
        while (beneath := getattr(grader, "grader", None)) is not None:  # further metrics, and sampling
            grader = beneath
        self._write = grader.answer if isinstance(grader, Teaches) else target_text
        self._writes_nothing = isinstance(grader, ToolCallGrader)  # in words of its own
        self._items: dict[str, Item] = {item.id: item for item in getattr(task, "items", ())}
        self._task = task

    def of(self, sample: Sample) -> Expected:
        """Of the item that was answered."""
        item = self._items.get(item_of(self._task, sample))
        written = sample.target is not None or self._writes_nothing
        return Expected(
            "" if item is None else question_of(item), self._write(sample.target).strip() if written else ""
        )


def question_of(item: Item) -> str:
    """What is asked, without system turns."""
    if item.prompt.text is not None:
        return item.prompt.text
    return "\n".join(turn.content for turn in item.prompt.messages if turn.role not in SYSTEM_ROLES)
