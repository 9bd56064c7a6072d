"""The items of lm-eval's tasks: all documents, whatever the profile asks of them, as questions without choices."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from lm_eval_data import write_data_dir, write_index

from harness.checks.data import evaluation_items
from harness.tasks.lm_eval import LmEvalOptions, LmEvalTask


@pytest.fixture
def options(tmp_path: Path) -> LmEvalOptions:
    write_index(Path(os.environ["ASSAY_CACHE_DIR"]), tmp_path / "definitions")
    return LmEvalOptions(data_dir=write_data_dir(tmp_path / "data"), max_items=2, max_subtasks=1)


@pytest.mark.parametrize(
    ("name", "count", "first"),
    [
        ("mmlu", 12, ("mmlu mmlu_anatomy[0]", "anatomy test 0?", "fox")),
        ("gsm8k", 6, ("gsm8k gsm8k[0]", "What is 0 and 0 (test)?", "0 + 0 = 0\n#### 0")),
        ("hellaswag", 6, ("hellaswag hellaswag[0]", "Birds: 0 birds They", "")),
    ],
)
def test_every_document_is_an_item(options: LmEvalOptions, name: str, count: int, first: tuple[str, str, str]) -> None:
    items = evaluation_items(LmEvalTask(name, options))
    assert len(items) == count
    assert (items[0].name, items[0].question, items[0].answer) == first
