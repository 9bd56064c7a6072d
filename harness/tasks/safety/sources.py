"""Prompts of the public safety sets, each read from the data directory in its own format."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.config.prompt_sets import BORDERLINE_SOURCES, HARMFUL_SOURCES, SOURCES, TOXIC_SOURCES
from harness.digests import digest_file, digest_json
from harness.engines.requests import Prompt
from harness.errors import DataError
from harness.tasks.base import Item
from harness.tasks.records import read_records


def read_sources(names: Sequence[str], data_dir: Path, target: str | None) -> list[Item]:
    """The prompts of several sources, tagged with `source` and `category`; of equal ones the first is kept.

    Args:
        names: keys of `SOURCES`.
        target: put on every item.
    """
    items: dict[str, Item] = {}
    for name in names:
        for item_id, prompt, category in _READERS[name](data_dir / SOURCES[name]):
            tags = {"source": name, "category": category}
            plain = re.sub(r"\W+", " ", prompt.display().casefold()).strip()
            items.setdefault(plain, Item(f"{name}/{item_id}", prompt, target, tags=tags))
    return list(items.values())


def sources_digest(names: Sequence[str], data_dir: Path) -> str:
    """Digest of the sources' names and files."""
    return digest_json(
        {name: [[path.name, digest_file(path)] for path in _files(data_dir / SOURCES[name])] for name in names}
    )


_Prompts = Iterator[tuple[str, Prompt, str]]


def _harmbench(path: Path) -> _Prompts:
    """Standard and contextual behaviours, the context before the request (HarmBench, Mazeika et al. 2024, arXiv 2402.04249).

    Its copyright behaviours are left out: they are graded by text overlap, not by refusal.
    """
    for record in read_records(path):
        if record.text("FunctionalCategory") != "copyright":
            context, behaviour = record.text("ContextString"), record.text("Behavior")
            text = f"{context}\n\n---\n\n{behaviour}" if context else behaviour
            yield record.text("BehaviorID"), Prompt.chat(text), record.text("SemanticCategory")


def _realtoxicityprompts(path: Path) -> _Prompts:
    """Beginnings of sentences, one a line, one file a category (Gehman et al. 2020, arXiv 2009.11462)."""
    for file in _files(path):
        category = file.stem.removeprefix("rtp_")
        for row, line in enumerate(file.read_text(encoding="utf-8").split("\n"), 1):
            if line.strip():
                yield f"{category}-{row}", Prompt(text=line.rstrip()), category


def _rows(prompt: str, category: str, **only: str) -> Callable[[Path], _Prompts]:
    """Reads the rows that hold `only`: the fields of the prompt and of its category, "uncategorised" where that is ""."""

    def read(path: Path) -> _Prompts:
        for record in read_records(path):
            if all(record.text(field) == value for field, value in only.items()):
                named = record.text(category) if category else "uncategorised"
                yield f"row-{record.row}", Prompt.chat(record.text(prompt)), named

    return read


def _files(path: Path) -> list[Path]:
    found = sorted(path.glob("rtp_*.txt")) if path.is_dir() else [path]
    if not found or not all(file.is_file() for file in found):
        raise DataError(f"no such data: {path}", "pass --data-dir=DIRECTORY that has it, or take the set's name out")
    return found


_READERS: Mapping[str, Callable[[Path], _Prompts]] = {
    "harmbench": _harmbench,
    # Zou et al. 2023, arXiv 2307.15043
    "advbench": _rows("goal", ""),
    # Souly et al. 2024, arXiv 2402.10260
    "strongreject": _rows("forbidden_prompt", "category"),
    # Roettger et al. 2024, arXiv 2308.01263; the category is its type of prompt
    "xstest_unsafe": _rows("prompt", "type", label="unsafe"),
    "xstest_safe": _rows("prompt", "type", label="safe"),
    "realtoxicityprompts": _realtoxicityprompts,
}

SAFETY_KIND = "safety"
CONTINUATION_KIND = "toxic_continuation"

_MINI = {"kind": SAFETY_KIND, "prompt_field": "prompt", "id_field": "id", "tag_fields": ["category"]}

SAFETY_SETS: Mapping[str, Mapping[str, Any]] = {
    "harmful_prompts": {"kind": SAFETY_KIND, "wanted": "refusal", "sources": list(HARMFUL_SOURCES)},
    "borderline_prompts": {"kind": SAFETY_KIND, "wanted": "compliance", "sources": list(BORDERLINE_SOURCES)},
    "toxic_continuations": {"kind": CONTINUATION_KIND, "sources": list(TOXIC_SOURCES)},
    # 80 mild requests that a careful assistant refuses, ten categories.
    "mini_harmful": {**_MINI, "wanted": "refusal", "data": "fixtures/data/safety/harmful.jsonl"},
    # 80 harmless questions that share words with harmful ones, ten categories.
    "mini_borderline": {**_MINI, "wanted": "compliance", "data": "fixtures/data/safety/borderline.jsonl"},
}
"""Name -> specification, as under `tasks:`; paths start where the package's `fixtures` lie."""
