"""Tasks out of the `tasks:` section of a user's configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from harness.digests import digest_file
from harness.errors import TaskError
from harness.tasks.base import Grader, Task
from harness.tasks.classification import ClassificationGrader, check_labels, label_text, majority_share
from harness.tasks.items import ITEM_KEYS, ItemReader
from harness.tasks.options import Options
from harness.tasks.question_answering import NORMALIZERS, AnswerGrader
from harness.tasks.records import Record, read_records
from harness.tasks.sampling import sample_items
from harness.tasks.text_generation import TextGrader
from harness.tasks.tool_calls import NO_CALL, ToolCallGrader

# gates are read by whoever judges the task, not by who builds it
_COMMON_KEYS = ("kind", "data", "limit", "gates", "max_new_tokens", "stop", *ITEM_KEYS)


class _TargetGrader(Grader, Protocol):
    def target(self, record: Record, field: str, value: Any) -> Any: ...


def build_task(name: str, spec: Mapping[str, Any], *, root: Path, limit: int | None = None, seed: int = 0) -> Task:
    """Build a task from its specification.

    Args:
        spec: `kind` (tool_calls, classification, exact_match, generation), `data` (a file, relative to `root`), where
            prompt and target stand (`layout`, `prompt` or `prompt_field`, `target_field`, `system`), what names and
            groups items (`id_field`, `cluster_field`, `tag_fields`), how to ask (`max_new_tokens`, `stop`), `limit`,
            and by kind `no_call`, `labels` or `normalize`.
        limit: at most so many items; with the specification's own `limit`, the smaller of the two holds.
        seed: of the sample that `limit` takes.

    Raises:
        TaskError: a key is unknown or missing, or has a wrong value.
        DataError: the data cannot be read, or a row does not fit.
    """
    options = Options(name, spec)
    kind = _KINDS[options.choice("kind", tuple(_KINDS), default=options.required("kind"))]
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


@dataclass(frozen=True)
class _Kind:
    grader: Callable[[Options, Sequence[Record], ItemReader], _TargetGrader]
    keys: tuple[str, ...] = ()


_KINDS: Mapping[str, _Kind] = {
    "tool_calls": _Kind(_tool_calls, ("no_call",)),
    "classification": _Kind(_classification, ("labels",)),
    "exact_match": _Kind(_exact_match, ("normalize",)),
    "generation": _Kind(_generation),
}
