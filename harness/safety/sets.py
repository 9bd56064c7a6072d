"""The prompt sets that safety is measured on, as tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.config.benchmarks import BORDERLINE_SOURCES, HARMFUL_SOURCES, TOXIC_SOURCES

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
