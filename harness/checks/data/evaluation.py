"""The questions of the evaluation sets in use, as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.tasks.base import Item, TaskLike
from harness.tasks.expected import question_of
from harness.tasks.lm_eval import LmEvalTask
from harness.tasks.targets import target_text

_QUESTION_FIELDS = ("question", "problem", "query", "ctx", "sentence", "input", "prompt", "goal")


@dataclass(frozen=True)
class EvaluationItem:
    """One item.

    Attributes:
        question: what is asked, without few-shot examples and without choices; of a plain text, the text.
        answer: the right answer as text; empty where it has none.
    """

    task: str
    id: str
    question: str
    answer: str

    @property
    def name(self) -> str:
        """Task and item, for messages."""
        return f"{self.task} {self.id}"


def evaluation_items(task: TaskLike) -> list[EvaluationItem]:
    """Every item of a task: of a benchmark all documents, whatever share of them a profile asks."""
    if isinstance(task, LmEvalTask):
        return list(_documents(task))
    items: list[Item] = list(getattr(task, "items", ()))
    return [EvaluationItem(task.name, item.id, question_of(item), target_text(item.target)) for item in items]


def _documents(task: LmEvalTask) -> Iterator[EvaluationItem]:
    for subtask in task.subtasks:
        for number, document in enumerate(subtask.docs):
            question = next((document[f] for f in _QUESTION_FIELDS if isinstance(document.get(f), str)), None)
            if question is None:
                question = str(subtask.task.doc_to_text(document))
            yield EvaluationItem(task.name, f"{subtask.name}[{number}]", question, _document_answer(document))


def _document_answer(document: Mapping[str, Any]) -> str:
    answer, choices = document.get("answer"), document.get("choices")
    if isinstance(choices, list) and type(answer) is int and 0 <= answer < len(choices):
        return str(choices[answer])
    return answer if isinstance(answer, str) else ""
