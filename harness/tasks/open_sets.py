"""The open instructions to be answered: AlpacaEval, MT-Bench and Vicuna from the data directory, or the package's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.config.base import Text
from harness.config.settings import Settings
from harness.digests import digest_json
from harness.engines.requests import Prompt
from harness.errors import DataError
from harness.scaffold import shipped
from harness.tasks.base import Item
from harness.tasks.data_files import data_digest
from harness.tasks.kinds import TaskContext, TaskKeys, TaskKind
from harness.tasks.lookup import task_context
from harness.tasks.open_instructions import OpenTask
from harness.tasks.questions import Question
from harness.tasks.records import Record, read_records
from harness.tasks.sampling import sample_items

OPEN_TASKS: Mapping[str, Mapping[str, Any]] = {
    "instructions": {"kind": "instructions"},
    "mini_instructions": {"kind": "instructions", "data": "fixtures/data/judge/instructions.jsonl"},
}
"""Name -> specification, as under `tasks:`; paths start where the package's `fixtures` lie."""

_ALPACA = "alpaca_eval/results/text_davinci_003/model_outputs.json"
_BENCHES = {"mt_bench": "mt", "vicuna_bench": "vicuna"}
# Where a judge without the answer goes wrong by itself (Zheng et al. 2023, section 3.4).
_GUIDED = frozenset({"math", "maths", "coding", "code", "reasoning"})


class InstructionKeys(TaskKeys):
    """Keys of kind `instructions`."""

    data: Text | None = None
    """a file of rows with id, category and turns, and references if there are; without it AlpacaEval, MT-Bench and Vicuna of
    the data directory"""


def _build(name: str, keys: InstructionKeys, context: TaskContext) -> OpenTask:
    if keys.data is not None:
        paths = [context.root / keys.data]
        questions = list(_of_file(paths[0]))
    else:
        if context.data_dir is None:
            raise DataError(f"the task {name} needs AlpacaEval, MT-Bench and Vicuna", "pass --data-dir=DIR")
        paths, questions = _benchmarks(context.data_dir)
    limit = context.smaller_limit(keys)
    if limit is not None and limit < len(questions):
        questions = _sample(questions, limit)
    return OpenTask(
        name=name,
        questions=tuple(questions),
        answer_tokens=context.judging.answer_tokens,
        data_digest=digest_json([data_digest(path) for path in paths]),
    )


INSTRUCTIONS = TaskKind("instructions", InstructionKeys, _build)


def open_task(name: str, settings: Settings) -> OpenTask:
    """The task of that name among `OPEN_TASKS`, cut to the profile's limit."""
    context = task_context(name, settings, shipped("fixtures").parent)
    return _build(name, InstructionKeys(**OPEN_TASKS[name]), context)


def _of_file(path: Path) -> Iterator[Question]:
    for record in read_records(path):
        yield from _turn_by_turn(record.text("id"), record, "", _references(record.get("references")))


def _benchmarks(root: Path) -> tuple[list[Path], list[Question]]:
    paths = [root / _ALPACA]
    questions: list[Question] = []
    for folder, prefix in _BENCHES.items():
        asked, answered = root / folder / "question.jsonl", root / folder / "reference_answer" / "gpt-4.jsonl"
        paths += [asked, answered]
        references = {record.get("question_id"): _choice(record) for record in read_records(answered)}
        for record in read_records(asked):
            number = record.get("question_id")
            questions += _turn_by_turn(f"{prefix}-{number}", record, folder, references.get(number, []))
    # AlpacaEval takes Vicuna's questions in; here they have their categories and references
    seen = {_plain(question.turns[0]) for question in questions}
    for record in read_records(paths[0]):
        if _plain(record.text("instruction")) not in seen:
            questions.append(
                Question(
                    id=f"alpaca-{record.row}",
                    turns=(record.text("instruction"),),
                    category=record.text("dataset"),
                    source="alpaca_eval",
                    reference=record.text("output"),
                )
            )
    return paths, questions


def _turn_by_turn(name: str, record: Record, source: str, references: Sequence[str]) -> Iterator[Question]:
    """A question for each turn, which holds those before it."""
    turns = record.get("turns")
    if not isinstance(turns, list) or not turns or not all(isinstance(turn, str) for turn in turns):
        raise record.error("field 'turns' is no list of texts", "write what the user says, turn by turn")
    category = record.text("category")
    for count in range(1, len(turns) + 1):
        yield Question(
            id=name if len(turns) == 1 else f"{name}/{count}",
            turns=tuple(turns[:count]),
            category=category,
            source=source or ("first turn" if count == 1 else "second turn"),
            reference=references[count - 1] if count <= len(references) else None,
            guided=category in _GUIDED,
            cluster=name,
        )


def _choice(record: Record) -> list[str]:
    choices: Any = record.get("choices")
    try:
        return _references(choices[0]["turns"])
    except (TypeError, KeyError, IndexError):
        raise record.error("field 'choices' is not of FastChat's form", "restore the file from its source") from None


def _references(value: Any) -> list[str]:
    return [str(text) for text in value]


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _sample(questions: Sequence[Question], limit: int) -> list[Question]:
    """Some of each source and category, in proportion, of a conversation's turns one before two."""
    by_id: Mapping[str, Question] = {question.id: question for question in questions}
    items = [
        Item(q.id, Prompt(text=q.id), None, cluster=q.cluster, tags={"source": q.source, "category": q.category})
        for q in questions
    ]
    return [by_id[item.id] for item in sample_items(items, limit, seed=0)]
