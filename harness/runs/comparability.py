"""When two runs' samples may be held against each other: the same items, asked and graded the same way.

A run's manifest keeps a digest, or a setting as it is, for each part that must be equal:

| part | of | what |
|---|---|---|
| data | a task | the data its items were read from |
| prompts | a task | the items asked, and the prompt and decoding settings of each |
| grading | a task | how answers are graded, and the task's own settings |
| sampling | a task | seed, temperature and the like, where it has them |
| judge | a task | who judges its answers, where one does |
| template | the run | the chat template |
| decoding | the run | the generation config, and the revision of the engine |
| precision, quantization | the run | how the base is computed |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.digests import digest_json

Key = Mapping[str, Any]
"""`shared`: part -> value of the run; `tasks`: task -> part -> value."""

_SAMPLING = ("seed", "temperature", "top_p")
_SHOWN = 24


def comparability_key(manifest: Mapping[str, Any], asked: Mapping[str, Iterable[tuple[str, str]]]) -> Key:
    """The key of a run.

    Args:
        manifest: of which `data`, `model`, `precision` and `engine` are read.
        asked: task -> (item id, prompt digest) of each of the candidate's samples, in any order.
    """
    data: Mapping[str, Mapping[str, Any]] = manifest.get("data") or {}
    return {
        "shared": _shared(manifest),
        "tasks": {task: _of_task(data[task], items) for task, items in asked.items() if task in data},
    }


def differing_parts(first: Key | None, second: Key | None, task: str) -> dict[str, tuple[str, str]]:
    """What keeps the two runs' samples of a task apart: part -> its value in each; empty where they compare.

    A run of an older version has no key: `comparability key` differs then. A task only one of them measured differs in
    `task`.
    """
    if not first or not second:
        return {"comparability key": tuple("stored" if key else "none" for key in (first, second))}  # type: ignore[dict-item]
    own = [key["tasks"].get(task) for key in (first, second)]
    if own[0] is None or own[1] is None:
        return {"task": tuple("measured" if parts else "not measured" for parts in own)}  # type: ignore[dict-item]
    mine, other = {**own[0], **first["shared"]}, {**own[1], **second["shared"]}
    return {
        part: (str(mine.get(part, "none")), str(other.get(part, "none")))
        for part in dict.fromkeys([*mine, *other])
        if mine.get(part) != other.get(part)
    }


def in_words(parts: Mapping[str, tuple[str, str]]) -> str:
    """Differing parts for people: `data, precision (float32, there bfloat16)`. Digests are not worth showing."""
    return ", ".join(
        part if max(map(len, values)) > _SHOWN else f"{part} ({values[0]}, there {values[1]})"
        for part, values in parts.items()
    )


def _shared(manifest: Mapping[str, Any]) -> dict[str, str]:
    parts = (manifest.get("model") or {}).get("parts") or {}
    precision = manifest.get("precision") or {}
    return {
        "template": str(parts.get("chat_template", parts.get("template", "none"))),
        "decoding": digest_json([parts.get("generation_config"), manifest.get("engine")]),
        "precision": str(precision.get("dtype", parts.get("precision", "none"))),
        "quantization": str(precision.get("quantization", "none")),
    }


def _of_task(facts: Mapping[str, Any], asked: Iterable[tuple[str, str]]) -> dict[str, str]:
    parts = {
        "data": str(facts.get("digest")),
        "prompts": digest_json(sorted(asked)),
        "grading": str(facts.get("task")),
    }
    sampling = {name: facts[name] for name in _SAMPLING if facts.get(name) is not None}
    if sampling:
        parts["sampling"] = digest_json(sampling)
    if facts.get("judge") is not None:
        parts["judge"] = digest_json(facts["judge"])
    return parts
