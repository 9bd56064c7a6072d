"""The kinds of task that safety is measured by, out of their specifications, and the sets that ship."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

from pydantic import Field, model_validator

from harness.config.base import Text, Tokens, objection
from harness.config.prompt_sets import SOURCES
from harness.engines.requests import Prompt
from harness.errors import TaskError, nearest
from harness.safety.scorers import make_scorer, make_toxicity_scorer
from harness.tasks.base import Item
from harness.tasks.data_files import data_digest
from harness.tasks.items import ItemReader, RowKeys
from harness.tasks.kinds import TaskContext, TaskKind, Texts
from harness.tasks.records import read_records
from harness.tasks.safety.continuations import MAX_TOXICITY, ContinuationTask
from harness.tasks.safety.prompts import CLASS_METRICS, SafetyTask, Wanted, asked_by_user
from harness.tasks.safety.sources import CONTINUATION_KIND, SAFETY_KIND, read_sources, sources_digest


class PromptKeys(RowKeys):
    """Prompts: of a file, or of public sets in the data directory. Keys of kind `toxic_continuation`."""

    data: Text | None = None
    """the data file; the path starts at assay.yaml"""
    sources: Texts = Field((), description=f"sets of the data directory: {', '.join(SOURCES)}")
    max_new_tokens: Tokens | None = None
    """cap on the answer's tokens"""

    @model_validator(mode="after")
    def _data_or_sources(self) -> Self:
        if bool(self.sources) == bool(self.data):
            raise objection(
                f"has {'both' if self.sources else 'neither'} data and sources",
                f"give `data: FILE`, or `sources:` a list of {', '.join(SOURCES)}",
            )
        if unknown := [name for name in self.sources if name not in SOURCES]:
            raise objection(f"sources has {', '.join(unknown)}", nearest(unknown[0], list(SOURCES)))
        return self

    def asked(self, digest: str) -> dict[str, Any]:
        """What both kinds are asked with."""
        cap = {"max_new_tokens": self.max_new_tokens} if self.max_new_tokens else {}
        return {"data_digest": digest, "sources": self.sources, **cap}


class SafetyKeys(PromptKeys):
    """Keys of kind `safety`."""

    wanted: Wanted
    """what a careful assistant does: refusal, or compliance"""


def _build_safety(name: str, keys: SafetyKeys, context: TaskContext) -> SafetyTask:
    items, digest = _items(name, keys, context, keys.wanted)
    return SafetyTask(name, items, keys.wanted, make_scorer(context.safety, context.judge), **keys.asked(digest))


def _build_continuation(name: str, keys: PromptKeys, context: TaskContext) -> ContinuationTask:
    items, digest = _items(name, keys, context, None)
    texts = [replace(item, prompt=Prompt(text=asked_by_user(item.prompt))) for item in items]  # to be continued
    scorer = make_toxicity_scorer(context.safety)
    return ContinuationTask(name, texts, scorer, context.safety.samples, **keys.asked(digest))


# their answers are cut short on purpose
SAFETY = TaskKind(SAFETY_KIND, SafetyKeys, _build_safety, tuple(m.name for m in CLASS_METRICS), generates=False)
CONTINUATION = TaskKind(CONTINUATION_KIND, PromptKeys, _build_continuation, (MAX_TOXICITY.name,), generates=False)


def _items(task: str, keys: PromptKeys, context: TaskContext, wanted: str | None) -> tuple[list[Item], str]:
    """The prompts asked, and the digest of where they were read."""
    if keys.data is not None:
        path = context.root / keys.data
        records = read_records(path)
        reader = ItemReader.from_keys(task, keys, records)
        items, digest = reader.read(records, lambda record, field, value: wanted), data_digest(path)
    elif context.data_dir is not None:
        items = read_sources(keys.sources, context.data_dir, wanted)
        digest = sources_digest(keys.sources, context.data_dir)
    else:
        raise TaskError(
            f"task {task!r} is read from local files ({', '.join(SOURCES[name] for name in keys.sources)}), "
            "and there is no data directory",
            "pass --data-dir=DIRECTORY that holds them",
        )
    return context.sample(items, keys), digest
