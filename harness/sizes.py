"""Sizes of files as people write and read them: 500MiB, 4GiB."""

from __future__ import annotations

import math
import re

from harness.errors import ConfigError

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([KMGT])(?:i?B)?)?", re.IGNORECASE)


def parse_size(text: str, name: str) -> int:
    """A size in bytes.

    Args:
        text: a number of GiB, or a number with K, M, G or T (`500MiB`, `2g`); powers of 1024 all.
        name: of the option or variable, for the error.

    Raises:
        ConfigError: it is no size, or none at all.
    """
    found = _FORM.fullmatch(text.strip())
    power = "BKMGT".index((found[2] or "G").upper()) if found else 0
    size = math.floor(float(found[1]) * 1024**power) if found else 0
    if size <= 0:
        raise ConfigError(f"{name}={text} is not a size", "write a number of GiB (4, 0.5), or one with a unit: 500MiB")
    return size


def show_size(size_bytes: int) -> str:
    """With three digits and the unit that fits: `12.3 MiB`."""
    power = min(len(_UNITS) - 1, max(0, size_bytes.bit_length() - 1) // 10)
    return f"{size_bytes / 1024**power:.{0 if power == 0 else 1}f} {_UNITS[power]}"
