"""What an item's right answer is: the function it calls, its label, type, length and language. The slices that nobody names."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.json_files import load_json
from harness.metrics.languages import language_of
from harness.tasks.tool_calls import read_call

FUNCTION, LABEL, TYPE = "target function", "target label", "target type"
LENGTH, LANGUAGE = "target length", "target language"
TARGET_TAGS = (FUNCTION, LABEL, TYPE, LENGTH, LANGUAGE)
"""Names of these slices; with a space, as no column of a user's is likely to be called."""

BANDS = ("short", "medium", "long")
_MOST_LABELS, _LABEL_WORDS, _ITEMS_A_LABEL = 50, 6, 5
_NUMBER = re.compile(r"[-+]?[\d.,\s]*\d[\d.,]*\s*%?")
_YES_OR_NO = frozenset({"yes", "no", "true", "false"})


def target_text(target: Any) -> str:
    """A right answer as text: of several the first, of choices the right one; empty where there is none."""
    if isinstance(target, list) and target and all(isinstance(one, str) for one in target):
        return str(target[0])
    if isinstance(target, Mapping) and "choices" in target and "gold" in target:
        return str(target["choices"][target["gold"]])
    if isinstance(target, Mapping) and "solution" in target:
        return str(target["solution"])
    if isinstance(target, str):
        return target
    return "" if target is None else json.dumps(target, ensure_ascii=False)


def target_tags(targets: Sequence[Any]) -> list[dict[str, str]]:
    """Slice names and values of each target; of a property that is the same for all, or means nothing for them, none."""
    if all(target is None for target in targets):
        return [{} for _ in targets]
    texts = [target_text(target) for target in targets]
    functions = _functions(targets)
    labels = None if functions else _labels(targets)
    told = {
        FUNCTION: functions,
        LABEL: labels,
        TYPE: None if labels else [_type_of(text) for text in texts],
        LENGTH: None if labels else length_bands([len(text) for text in texts]),
        LANGUAGE: None if functions or labels else [language_of(text) for text in texts],
    }
    kept = {tag: values for tag, values in told.items() if values is not None and len({*values} - {None}) > 1}
    return [{tag: value for tag, values in kept.items() if (value := values[i]) is not None} for i in range(len(texts))]


def length_bands(lengths: Sequence[int]) -> list[str] | None:
    """The third of all lengths that each is in; None where there are too few, or too many are alike."""
    if len(lengths) < len(BANDS) * _ITEMS_A_LABEL:
        return None
    cuts = np.quantile(lengths, [1 / 3, 2 / 3])
    if cuts[0] == cuts[1]:
        return None
    return [BANDS[int(np.searchsorted(cuts, length))] for length in lengths]


def _functions(targets: Sequence[Any]) -> list[str | None] | None:
    """The function of each call; None where the targets are none, but for some that call nothing."""
    calls = [read_call(target) if isinstance(target, str | dict) else None for target in targets]
    others = {str(target) for target, call in zip(targets, calls, strict=True) if call is None}
    if not any(calls) or len(others) > 1:
        return None
    return ["none" if call is None else call.name for call in calls]


def _labels(targets: Sequence[Any]) -> list[str | None] | None:
    """The targets themselves, where they are a closed set of short texts; None where they are not."""
    values = [str(target) if isinstance(target, str | bool | int) else None for target in targets]
    counts = Counter(values)
    closed = 2 <= len(counts) <= _MOST_LABELS and len(values) >= _ITEMS_A_LABEL * len(counts)
    short = all(value is not None and len(value.split()) <= _LABEL_WORDS for value in counts)
    return values if closed and short else None


def _type_of(text: str) -> str:
    plain = text.strip()
    if not plain:
        return "nothing"
    if plain.casefold() in _YES_OR_NO:
        return "yes or no"
    if _NUMBER.fullmatch(plain):
        return "number"
    return "JSON" if is_json(plain) else "text"


def is_json(text: str) -> bool:
    """Whether a text is a JSON object or list and nothing else."""
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        load_json(text)
    except ValueError:
        return False
    return True
