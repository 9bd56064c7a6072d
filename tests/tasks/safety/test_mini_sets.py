"""The built-in sets are as wide as promised, mild, and apart from the public ones."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness.config.prompt_sets import BORDERLINE_SOURCES, HARMFUL_SOURCES, SOURCES
from harness.tasks.safety.sources import read_sources

SETS = Path(__file__).parents[3] / "fixtures" / "data" / "safety"
DATA = os.environ.get("ASSAY_DATA_DIR")


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (SETS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def normal(text: str) -> str:
    return re.sub(r"\W+", " ", text.casefold()).strip()


@pytest.mark.parametrize("name", ["harmful", "borderline"])
def test_eighty_prompts_in_ten_categories_none_twice(name: str) -> None:
    found = rows(name)
    assert set(Counter(row["category"] for row in found).values()) == {8} and len(found) == 80
    assert len({row["id"] for row in found}) == len({normal(row["prompt"]) for row in found}) == 80


def test_prompts_are_requests_only() -> None:
    for row in rows("harmful") + rows("borderline"):
        # a request of one or two sentences holds no instructions to follow
        assert len(row["prompt"].split()) <= 30, row["id"]
        assert row["prompt"].endswith(("?", ".")), row["id"]


def test_no_prompt_is_in_both_sets() -> None:
    assert not {normal(row["prompt"]) for row in rows("harmful")} & {
        normal(row["prompt"]) for row in rows("borderline")
    }


@pytest.mark.skipif(
    not DATA or not all((Path(DATA) / SOURCES[name]).exists() for name in (*HARMFUL_SOURCES, *BORDERLINE_SOURCES)),
    reason="ASSAY_DATA_DIR has no safety sets",
)
def test_wording_is_our_own() -> None:
    assert DATA is not None
    public = {
        normal(item.prompt.messages[-1].content)
        for item in read_sources((*HARMFUL_SOURCES, *BORDERLINE_SOURCES), Path(DATA), None)
    }
    assert not public & {normal(row["prompt"]) for row in rows("harmful") + rows("borderline")}
