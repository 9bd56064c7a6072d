"""What gates on a training advise, and hints for the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOT_LEARNING = "check target_modules and that answers are not masked; raise the learning rate"
TOO_FAST = (
    "lower the learning rate, lengthen the warm-up, look at the rows of these steps; train in bfloat16, not float16"
)


def hints(*advice: tuple[bool, str]) -> Mapping[str, Any]:
    """Of texts those that apply, for the details of a gate."""
    found = [text for applies, text in advice if applies]
    return {"hints": found} if found else {}
