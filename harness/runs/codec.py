"""Values to JSON and back: strict JSON (no NaN literal), text that is always valid UTF-8."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping, Set
from pathlib import PurePath
from typing import Any

_SURROGATE = re.compile("[\ud800-\udfff]")


def clean_text(text: str) -> str:
    """`text` with lone surrogates replaced by U+FFFD: UTF-8, and with it Parquet, has no form for them."""
    return _SURROGATE.sub("\ufffd", text)


def dump_json(value: Any, *, indent: int | None = None) -> str:
    """Strict JSON text of a value.

    Dataclasses become objects, NumPy scalars numbers, paths strings. JSON has no NaN or infinity: they become the
    strings `"NaN"`, `"Infinity"` and `"-Infinity"`, which `number` reads back, so that a diverged loss is not lost.

    Raises:
        TypeError: the value has no JSON form.
    """
    return clean_text(json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, indent=indent))


def number(value: Any) -> float | None:
    """The inverse of `dump_json` for a numeric field: `"NaN"` becomes NaN, None stays None.

    Raises:
        ValueError: the value is no number.
    """
    return None if value is None else float(value)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _non_finite(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Set):
        return sorted((_plain(item) for item in value), key=repr)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, PurePath):
        return str(value)
    if hasattr(value, "item"):
        return _plain(value.item())
    raise TypeError(f"{type(value).__name__} has no JSON form: {value!r:.80}")


def _non_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
