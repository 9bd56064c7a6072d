"""Safety tasks out of their specifications: of the package, or under `tasks:` of a user's configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.config.benchmarks import SOURCES
from harness.config.settings import Settings
from harness.digests import digest_file
from harness.engines.requests import Prompt
from harness.errors import TaskError
from harness.safety.continuation import ContinuationTask
from harness.safety.scoring import Rater, make_scorer
from harness.safety.sets import CONTINUATION_KIND, SAFETY_KIND
from harness.safety.sources import read_sources, sources_digest
from harness.safety.task import SafetyTask, Wanted, asked_by_user
from harness.safety.toxicity import make_toxicity_scorer
from harness.tasks.base import Item
from harness.tasks.items import ITEM_KEYS, ItemReader
from harness.tasks.options import Options
from harness.tasks.records import read_records
from harness.tasks.sampling import sample_items

SAFETY_KINDS = (SAFETY_KIND, CONTINUATION_KIND)

_WANTED: tuple[Wanted, ...] = ("refusal", "compliance")
_COMMON_KEYS = (
    "kind",
    "data",
    "sources",
    "limit",
    "gates",
    "max_new_tokens",
    *(k for k in ITEM_KEYS if k != "target_field"),
)


def safety_task(
    name: str,
    spec: Mapping[str, Any],
    settings: Settings,
    *,
    root: Path,
    limit: int | None = None,
    judge: Callable[[], Rater] | None = None,
) -> SafetyTask | ContinuationTask:
    """Build a task of kind `safety` or `toxic_continuation`.

    Args:
        spec: `kind`; `data` (a file, relative to `root`) with what a task's rows are read by (`prompt` or `prompt_field`,
            `id_field`, `tag_fields` ...), or `sources` (sets of the data directory); `limit`, `max_new_tokens`; of
            `safety` also `wanted`: refusal or compliance.
        limit: at most so many items; with the specification's own `limit`, the smaller of the two holds.
        judge: makes the judge, where the scorer is one.

    Raises:
        TaskError: a key is unknown or missing, or has a wrong value.
        ConfigError: the scorer cannot be had.
        DataError: the data cannot be read.
    """
    options = Options(name, spec, root)
    asks = options.choice("kind", SAFETY_KINDS, options.required("kind")) == SAFETY_KIND
    options.check_keys((*_COMMON_KEYS, "wanted") if asks else _COMMON_KEYS)
    wanted = options.choice("wanted", _WANTED, options.required("wanted")) if asks else None
    items, digest = _items(options, settings, wanted)
    limits = [n for n in (limit, options.count("limit")) if n is not None]
    if limits and min(limits) < len(items):
        items = sample_items(items, min(limits), seed=0)
    asked: dict[str, Any] = {"data_digest": digest, "sources": options.texts("sources")}
    if options.count("max_new_tokens"):
        asked["max_new_tokens"] = options.count("max_new_tokens")
    safety = settings.safety
    if wanted is None:
        scorer = make_toxicity_scorer(safety)
        return ContinuationTask(name, _as_texts(items), scorer, safety.samples, **asked)
    return SafetyTask(name, items, _WANTED[_WANTED.index(wanted)], make_scorer(safety, judge), **asked)


def _items(options: Options, settings: Settings, wanted: str | None) -> tuple[list[Item], str]:
    sources = options.texts("sources")
    if bool(sources) == bool(options.text("data")):
        raise TaskError(
            f"task {options.task!r} has {'both' if sources else 'neither'} data and sources",
            f"give `data: FILE`, or `sources:` a list of {', '.join(SOURCES)}",
        )
    if sources:
        return _from_sources(options, sources, settings.data_dir, wanted)
    path = options.root / options.required("data")
    records = read_records(path)
    reader = ItemReader.from_options(options, records[0], needs_target=False)
    return reader.read(records, lambda record, field, value: wanted), digest_file(path)


def _from_sources(
    options: Options, sources: Sequence[str], data_dir: Path | None, wanted: str | None
) -> tuple[list[Item], str]:
    unknown = [name for name in sources if name not in SOURCES]
    if unknown:
        raise TaskError(
            f"task {options.task!r}: sources has {', '.join(unknown)}", f"choose from: {', '.join(SOURCES)}"
        )
    if data_dir is None:
        raise TaskError(
            f"task {options.task!r} is read from local files ({', '.join(SOURCES[name] for name in sources)}), "
            "and there is no data directory",
            "pass --data-dir=DIRECTORY that holds them",
        )
    return read_sources(sources, data_dir, wanted), sources_digest(sources, data_dir)


def _as_texts(items: Sequence[Item]) -> list[Item]:
    """The same items with their prompts as raw text, to be continued instead of answered."""
    return [
        Item(item.id, Prompt(text=asked_by_user(item.prompt)), item.target, item.cluster, item.tags) for item in items
    ]
