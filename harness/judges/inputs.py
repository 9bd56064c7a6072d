"""Judge inputs: questions and replies of tasks, and the gold pairs on which a judge is tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.config.settings import Settings
from harness.digests import digest_json
from harness.engines.requests import Prompt
from harness.errors import DataError, TaskError, show
from harness.records import Sample
from harness.tasks.base import Item, TaskLike
from harness.tasks.data_files import data_digest
from harness.tasks.open_instructions import OpenTask
from harness.tasks.questions import AnswerPair, Label, Question, Reply
from harness.tasks.records import Record, read_records
from harness.tasks.repeated import RepeatedTask
from harness.tasks.sampling import sample_items
from harness.tasks.task import Task

LLMBAR = "llmbar"
MINI = "mini_judge"
_LABELS: Mapping[str, Label] = {"1": "1", "2": "2", "tie": "tie", "0": "tie"}


def questions_of(task: TaskLike) -> list[Question]:
    """What a task asks, as the judge is shown it.

    Raises:
        TaskError: its answers are no text to be judged.
    """
    if isinstance(task, OpenTask):
        return list(task.questions)
    if isinstance(task, RepeatedTask):
        return questions_of(task.drawn)
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


@dataclass(frozen=True)
class GoldPairs:
    """Answer pairs of which the better answer is known.

    Attributes:
        digest: of the files they were read from.
    """

    name: str
    pairs: Sequence[AnswerPair]
    digest: str


def read_gold(settings: Settings) -> GoldPairs:
    """The pairs that the configuration names, cut to the profile's limit."""
    name = settings.judging.gold
    paths = _paths(name, settings)
    pairs = [_pair(record, prefix) for prefix, path in paths.items() for record in read_records(path)]
    limit = settings.profile.limit_of(name)
    if limit is not None and limit < len(pairs):
        pairs = _sample(pairs, limit)
    return GoldPairs(name, pairs, digest_json({prefix: data_digest(path) for prefix, path in paths.items()}))


def _paths(name: str, settings: Settings) -> dict[str, Path]:
    """What the ids of a file's pairs begin with -> the file."""
    if name == MINI:
        from harness.scaffold import shipped

        return {"": shipped("fixtures") / "data" / "judge" / "pairs.jsonl"}
    if name != LLMBAR:
        return {"": settings.config.root / name}
    if settings.data_dir is None:
        raise DataError(
            "judge.gold is llmbar, and there is no data directory", "pass --data-dir, or leave gold to auto"
        )
    root = settings.data_dir / LLMBAR
    found = sorted(root.glob("**/dataset.json"))
    if not found:
        raise DataError(f"{root} holds no dataset.json", "copy LLMBar's Dataset/LLMBar there, with its sub-directories")
    return {path.parent.name.lower(): path for path in found}


def _pair(record: Record, prefix: str) -> AnswerPair:
    instruction = record.text("input" if "input" in record.fields else "instruction")
    label = record.get("label")
    gold = _LABELS.get(str(label).lower()) if isinstance(label, str | int) else None
    if gold is None:
        raise record.error(f"field 'label' is {show(label)}", "write 1 or 2 for the better output, or tie")
    reference = record.text("reference") if record.fields.get("reference") is not None else None
    own = str(record.fields.get("id", f"row-{record.row}"))
    question = Question(
        id=f"{prefix}-{own}" if prefix else own,
        turns=(instruction,),
        category=prefix or str(record.fields.get("category", "all")),
        source=str(record.fields.get("kind", "")),
        reference=reference,
        guided=reference is not None,
    )
    return AnswerPair(question, (record.text("output_1"),), (record.text("output_2"),), gold)


def _sample(pairs: Sequence[AnswerPair], limit: int) -> list[AnswerPair]:
    """As many of each kind and category in proportion."""
    by_id = {pair.question.id: pair for pair in pairs}
    items = [
        Item(q.id, Prompt(text=q.id), None, tags={"category": q.category, "kind": q.source})
        for q in (pair.question for pair in pairs)
    ]
    return [by_id[item.id] for item in sample_items(items, limit, seed=0)]
