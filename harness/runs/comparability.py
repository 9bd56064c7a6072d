"""When two runs' samples may be held against each other: the same items, asked and graded the same way.

A run's manifest keeps a digest, or a setting as it is, for each part that must be equal:

| part | of | what |
|---|---|---|
| data | a task | the data its items were read from |
| prompts | a task | the items asked, and the prompt and decoding settings of each |
| grading | a task | how answers are graded, and the task's own settings |
| sampling | a task | seed, temperature and the like, where it has them |
| repeats | a task | how often each item is asked, where that is more than once |
| judge | a task | who judges its answers, where one does |
| judge of METRIC | a task | who rates them by a rubric; of that metric alone |
| template | the run | the chat template |
| decoding | the run | the generation config, and the revision of the engine |
| precision, quantization | the run | how the base is computed |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.digests import digest_json
from harness.records import ComparabilityKey, Manifest, TaskFacts

_SAMPLING = ("seed", "temperature", "top_p")
_SHOWN = 24
_JUDGE_OF = "judge of "


def comparability_key(manifest: Manifest, asked: Mapping[str, Iterable[tuple[str, str]]]) -> ComparabilityKey:
    """The key of a run.

    Args:
        manifest: of which `data`, `model`, `precision` and `engine` are read.
        asked: task -> (item id, prompt digest) of each of the candidate's samples, in any order.
    """
    data = manifest.data
    return ComparabilityKey(
        shared=_shared(manifest),
        tasks={task: _of_task(data[task], items) for task, items in asked.items() if task in data},
    )


def differing_parts(
    first: ComparabilityKey | None, second: ComparabilityKey | None, task: str, metric: str | None = None
) -> dict[str, tuple[str, str]]:
    """What keeps the two runs' samples of a task apart: part -> its value in each; empty where they compare.

    A run of an older version has no key: `comparability key` differs then. A task only one of them measured differs in
    `task`.

    Args:
        metric: that they are compared by; None: any.
    """
    if not first or not second:
        return {"comparability key": ("stored" if first else "none", "stored" if second else "none")}
    mine, other = first.tasks.get(task), second.tasks.get(task)
    if mine is None or other is None:
        words = ("not measured", "measured")
        return {"task": (words[mine is not None], words[other is not None])}
    found = differing({**mine, **first.shared}, {**other, **second.shared})
    mind = {part for part in found if metric is None or not part.startswith(_JUDGE_OF) or part == _JUDGE_OF + metric}
    return {part: values for part, values in found.items() if part in mind}


def differing(mine: Mapping[str, str], other: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """The parts that are not equal, with both values; what is missing or empty is "none"."""
    pairs = {part: (mine.get(part) or "none", other.get(part) or "none") for part in dict.fromkeys([*mine, *other])}
    return {part: values for part, values in pairs.items() if values[0] != values[1]}


def in_words(parts: Mapping[str, tuple[str, str]]) -> str:
    """Differing parts for people: `data, precision (float32, there bfloat16)`. Digests are not worth showing."""
    return ", ".join(
        part if max(map(len, values)) > _SHOWN else f"{part} ({values[0]}, there {values[1]})"
        for part, values in parts.items()
    )


def _shared(manifest: Manifest) -> dict[str, str]:
    parts, precision = manifest.model.parts, manifest.precision
    stated = [parts["decoding"]] if "decoding" in parts else []  # a run before there was such a part has none
    return {
        "template": str(parts.get("chat_template", parts.get("template", "none"))),
        "decoding": digest_json([parts.get("generation_config"), manifest.engine, *stated]),
        "precision": precision.dtype or str(parts.get("precision", "none")),
        "quantization": precision.quantization or "none",
    }


def _of_task(facts: TaskFacts, asked: Iterable[tuple[str, str]]) -> dict[str, str]:
    own = facts.settings
    parts = {"data": facts.digest, "prompts": digest_json(sorted(asked)), "grading": facts.task}
    sampling = {name: own[name] for name in _SAMPLING if own.get(name) is not None}
    if sampling:
        parts["sampling"] = digest_json(sampling)
    if own.get("repeats") is not None:
        parts["repeats"] = str(own["repeats"])
    if own.get("judge") is not None:
        parts["judge"] = digest_json(own["judge"])
    return parts | {f"{_JUDGE_OF}{metric}": str(judge) for metric, judge in own.get("judges", {}).items()}
