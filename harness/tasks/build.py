"""Tasks out of the `tasks:` section of a user's configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from harness.digests import digest_file
from harness.errors import TaskError
from harness.tasks.base import Grader
from harness.tasks.classification import ClassificationGrader, check_labels, label_text, majority_share
from harness.tasks.few_shot import FEW_SHOT_KEYS, read_preamble
from harness.tasks.items import ITEM_KEYS, ItemReader
from harness.tasks.multiple_choice import STYLES, ChoiceGrader
from harness.tasks.options import Options
from harness.tasks.plain_text import PlainTextGrader
from harness.tasks.question_answering import NORMALIZERS, AnswerGrader
from harness.tasks.records import Record, read_records
from harness.tasks.sampling import sample_items
from harness.tasks.task import Task
from harness.tasks.text_generation import TextGrader
from harness.tasks.tool_calls import NO_CALL, ToolCallGrader
from harness.tasks.worked_answer import WorkedAnswerGrader

# gates are read by whoever judges the task, not by who builds it
_COMMON_KEYS = ("kind", "data", "limit", "gates", *ITEM_KEYS)
_ASKING_KEYS = ("max_new_tokens", "stop")


class _TargetGrader(Grader, Protocol):
    def target(self, record: Record, field: str, value: Any) -> Any: ...


def build_task(name: str, spec: Mapping[str, Any], *, root: Path, limit: int | None = None, seed: int = 0) -> Task:
    """Build a task from its specification.

    Args:
        spec: `kind` (tool_calls, classification, exact_match, generation, multiple_choice, worked_answer, plain_text),
            `data` (a file, relative to `root`), where prompt and target stand (`layout`, `prompt` or `prompt_field`,
            `target_field`, `system`), what names and groups items (`id_field`, `cluster_field`, `tag_fields`), `limit`,
            how to ask where text is generated (`max_new_tokens`, `stop`), by kind `no_call`, `labels`, `normalize`,
            `style`, `choices_field` and `solution_field`, and for the few-shot kinds `examples` (a file) with `shots`
            (its first so many rows).
        limit: at most so many items; with the specification's own `limit`, the smaller of the two holds.
        seed: of the sample that `limit` takes.

    Raises:
        TaskError: a key is unknown or missing, or has a wrong value.
        DataError: the data cannot be read, or a row does not fit.
    """
    options = Options(name, spec, root)
    kind = KINDS[options.choice("kind", tuple(KINDS), default=options.required("kind"))]
    options.check_keys((*_COMMON_KEYS, *kind.keys))
    path = root / options.required("data")
    records = read_records(path)
    reader = ItemReader.from_options(options, records[0])
    grader = kind.grader(options, records, reader)
    items = reader.read(records, grader.target)
    limits = [n for n in (limit, options.count("limit")) if n is not None]
    if limits and min(limits) < len(items):
        items = sample_items(items, min(limits), seed)
    if isinstance(grader, ClassificationGrader):
        grader = replace(grader, majority=majority_share([item.target for item in items]))
    return Task(name, tuple(items), grader, data_digest=digest_file(path))


def _asking(options: Options) -> dict[str, Any]:
    """The settings of `Generates` that are given; the kind's own defaults stand for the others."""
    settings = {"max_new_tokens": options.count("max_new_tokens"), "stop": options.texts("stop")}
    return {key: value for key, value in settings.items() if value}


def _tool_calls(options: Options, records: Sequence[Record], reader: ItemReader) -> ToolCallGrader:
    return ToolCallGrader(**_asking(options), no_call=options.text("no_call") or NO_CALL)


def _classification(options: Options, records: Sequence[Record], reader: ItemReader) -> ClassificationGrader:
    labels = options.texts("labels")
    if not labels:
        if reader.target_field is None:
            raise TaskError(f"task {options.task!r} has no 'labels'", "list them, or give target_field")
        texts = {label_text(record.get(reader.target_field)) for record in records}
        labels = tuple(sorted(text for text in texts if text is not None))
    return ClassificationGrader(**_asking(options), labels=check_labels(labels))


def _exact_match(options: Options, records: Sequence[Record], reader: ItemReader) -> AnswerGrader:
    normalize = options.choice("normalize", tuple(NORMALIZERS), "squad")
    return AnswerGrader(**_asking(options), normalize=normalize)


def _generation(options: Options, records: Sequence[Record], reader: ItemReader) -> TextGrader:
    return TextGrader(**_asking(options))


def _multiple_choice(options: Options, records: Sequence[Record], reader: ItemReader) -> ChoiceGrader:
    style = STYLES[STYLES.index(options.choice("style", STYLES, "letters"))]
    grader = ChoiceGrader(style=style, choices_field=options.text("choices_field") or "choices")
    preamble = read_preamble(options, reader, grader.target, grader.solved)
    counts = [len(item.target["choices"]) for item in reader.read(records, grader.target)]
    return replace(grader, preamble=preamble, chance=sum(1 / count for count in counts) / len(counts))


def _worked_answer(options: Options, records: Sequence[Record], reader: ItemReader) -> WorkedAnswerGrader:
    grader = WorkedAnswerGrader(**_asking(options), solution_field=options.text("solution_field") or "solution")
    return replace(grader, preamble=read_preamble(options, reader, grader.target, grader.solved))


def _plain_text(options: Options, records: Sequence[Record], reader: ItemReader) -> PlainTextGrader:
    return PlainTextGrader()


@dataclass(frozen=True)
class _Kind:
    grader: Callable[[Options, Sequence[Record], ItemReader], _TargetGrader]
    keys: tuple[str, ...] = ()


KINDS: Mapping[str, _Kind] = {
    "tool_calls": _Kind(_tool_calls, ("no_call", *_ASKING_KEYS)),
    "classification": _Kind(_classification, ("labels", *_ASKING_KEYS)),
    "exact_match": _Kind(_exact_match, ("normalize", *_ASKING_KEYS)),
    "generation": _Kind(_generation, _ASKING_KEYS),
    "multiple_choice": _Kind(_multiple_choice, ("style", "choices_field", *FEW_SHOT_KEYS)),
    "worked_answer": _Kind(_worked_answer, ("solution_field", *_ASKING_KEYS, *FEW_SHOT_KEYS)),
    "plain_text": _Kind(_plain_text),
}
