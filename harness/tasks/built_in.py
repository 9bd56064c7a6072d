"""The tasks that come with the package: small ones written for this project, and the benchmarks they stand in for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MINI = "fixtures/data/mini"

BUILT_IN: Mapping[str, Mapping[str, Any]] = {
    # 240 questions of everyday school knowledge. Cloze: a small model knows answers before it knows letters.
    "mini_knowledge": {
        "kind": "multiple_choice",
        "style": "cloze",
        "data": f"{_MINI}/knowledge.jsonl",
        "prompt_field": "question",
        "target_field": "answer",
        "id_field": "id",
        "tag_fields": ["subject"],
        "examples": f"{_MINI}/knowledge_examples.jsonl",
        "shots": 5,
    },
    # 132 word problems of one to three steps, two of each of 66 templates.
    "mini_math": {
        "kind": "worked_answer",
        "data": f"{_MINI}/math.jsonl",
        "prompt_field": "question",
        "target_field": "answer",
        "id_field": "id",
        "cluster_field": "template",  # problems of one template are solved or missed together
        "tag_fields": ["steps"],
        "examples": f"{_MINI}/math_examples.jsonl",
        "shots": 4,
        "max_new_tokens": 80,
    },
    # 40 short texts of many kinds.
    "general_text": {
        "kind": "plain_text",
        "data": "fixtures/data/general_text/texts.jsonl",
        "prompt_field": "text",
        "target_field": "text",
        "id_field": "id",
    },
}
"""Name -> specification, as under `tasks:`; paths start where the package's `fixtures` lie."""

BENCHMARKS: Mapping[str, Mapping[str, Any]] = {
    "mmlu": {"kind": "lm_eval", "fewshot": 5},
    "gsm8k": {"kind": "lm_eval", "fewshot": 5},
}
"""Benchmarks of lm-eval with the few-shot counts they are known by, where lm-eval's own default is another or may change."""
