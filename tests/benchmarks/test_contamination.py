"""The contamination benchmark finds what it planted, and its exit code says so."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from benchmarks import contamination

WORDS = [f"word{letter}" for letter in "abcdefghijkl"]


def sentence(number: int, length: int) -> str:
    return " ".join(f"{WORDS[(number * 7 + i * i) % 12]}{number}" for i in range(length))


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """An MMLU of one subject and a small GSM8K, with questions of each length that is planted."""
    (tmp_path / "mmlu" / "test").mkdir(parents=True)
    (tmp_path / "gsm8k").mkdir()
    with (tmp_path / "mmlu" / "test" / "trees_test.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["question", "choice0", "choice1", "choice2", "choice3", "answer"])
        writer.writerows([sentence(i, 5), "oak", "elm", "ash", f"fir{i}", "3"] for i in range(120))
    rows = [{"question": sentence(i, 30), "answer": f"#### {i}"} for i in range(120, 340)]
    (tmp_path / "gsm8k" / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_everything_planted_is_found(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert contamination.main([f"--data-dir={data_dir}", "--rows=600"]) == 0
    out = capsys.readouterr().out
    assert "rows=600 items=340 " in out
    assert "verbatim: 100/100 found" in out
    assert "planted=400 found=400 false_alarms=0" in out


def test_a_missed_question_fails(
    data_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contamination, "find_matches", lambda rows, items, ngram: [])
    assert contamination.main([f"--data-dir={data_dir}", "--rows=600"]) == 1
    assert "planted=400 found=0 false_alarms=0" in capsys.readouterr().out
