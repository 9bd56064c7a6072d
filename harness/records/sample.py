"""One model's graded answer to one item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Role = Literal["base", "candidate", "shipped", "judge"]


@dataclass(frozen=True)
class Sample:
    """One model's graded answer to one item. `target` and `parsed` are JSON values."""

    task: str
    item_id: str
    cluster: str | None
    role: Role
    prompt_digest: str
    prompt: str
    target: Any
    answer: str
    parsed: Any
    scores: Mapping[str, float | None]
    tags: Mapping[str, str]
    stop_reason: str | None
    prompt_tokens: int
    completion_tokens: int
    latency_s: float
    cached: bool
