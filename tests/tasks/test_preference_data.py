"""The preference pairs are what their program writes, and what is held out is new."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness.tasks.tool_calls import find_call
from harness.training.reading import rows_of_file

DATA = Path(__file__).parents[2] / "fixtures" / "data"
SPLITS = ("train", "heldout")


@pytest.fixture(scope="module")
def rows() -> dict[str, list[dict[str, Any]]]:
    return {
        split: [json.loads(line) for line in (DATA / "preferences" / f"{split}.jsonl").open(encoding="utf-8")]
        for split in SPLITS
    }


def test_committed_files_are_what_the_program_generates() -> None:
    program = [sys.executable, DATA / "make_preferences.py", "--check"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_there_are_pairs_enough_of_both_kinds_and_every_row_is_read(rows: dict[str, list[dict[str, Any]]]) -> None:
    kinds = {split: Counter(row["kind"] for row in rows[split]) for split in SPLITS}
    assert kinds == {"train": {"concise": 100, "tool_call": 340}, "heldout": {"concise": 50, "tool_call": 50}}
    for split in SPLITS:
        examples = rows_of_file(DATA / "preferences" / f"{split}.jsonl", kind="pairs").examples()
        assert all(one.rejected is not None and one.rejected.answer != one.conversation.answer for one in examples)
    assert {row["fault"] for row in rows["train"]} == {
        "rambling", "function", "argument", "missing", "prose", "declined",
    }  # fmt: skip


def test_no_prompt_and_no_rambling_is_in_both_parts(rows: dict[str, list[dict[str, Any]]]) -> None:
    prompts = [{row["prompt"][-1]["content"] for row in rows[split]} for split in SPLITS]
    assert not prompts[0] & prompts[1]
    sentences = [
        {part for row in rows[split] if row["kind"] == "concise" for part in row["rejected"][0]["content"].split(". ")}
        for split in SPLITS
    ]
    assert not sentences[0] & sentences[1]


def test_the_better_answer_is_shorter_or_the_right_call(rows: dict[str, list[dict[str, Any]]]) -> None:
    for row in (row for split in SPLITS for row in rows[split]):
        better, worse = (row[side][0]["content"] for side in ("chosen", "rejected"))
        if row["kind"] == "concise":
            assert better in worse
            assert 2 * len(better) < len(worse)
            continue
        right, wrong = find_call(better), find_call(worse)
        assert right is not None
        assert right.alone
        assert wrong is None or wrong.call != right.call or not wrong.alone
