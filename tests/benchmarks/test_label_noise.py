"""The figures of wrong labels are counted as they say: all of the planted ones and nothing else are in what is compared."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.label_noise")


def test_so_many_labels_are_replaced_by_others_of_the_set(program: ModuleType) -> None:
    rows = [(f"text {place}", "abc"[place % 3]) for place in range(60)]
    spoilt, wrong = program.planted(rows, 0.2, 0)
    assert len(wrong) == 12
    assert {place for place in range(60) if spoilt[place] != rows[place]} == wrong
    assert {label for _, label in spoilt} == set("abc")
    assert [text for text, _ in spoilt] == [text for text, _ in rows]


def test_the_tickets_are_read_rightly(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("DRAWS", 2), ("CLEAN_DRAWS", 2), ("SIZES", (200,)), ("SHARES", (0.0, 0.2))):
        monkeypatch.setattr(program, name, value)
    assert program.main([]) == 0
    told = capsys.readouterr().out
    clean, noisy = re.findall(r"^ +\d+%.*$", told, re.MULTILINE)
    assert clean.split() == ["0%", "0", "2", "0", "0.00"]
    share, failed, passed, skipped, estimated, precision, recall = noisy.split()
    assert (share, failed, passed, skipped) == ("20%", "2", "0", "0")
    assert 0.15 < float(estimated) < 0.25 and float(precision) > 0.9 and float(recall) > 0.6
    assert "failed as they are: 0 of 2 draws of 200" in told
    assert told.splitlines()[-1] == "false_alarms=0/2"


def test_a_set_is_read_where_it_lies(program: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "winogrande").mkdir()
    row = '{"sentence": "_ is wet.", "option1": "Rain", "option2": "Fire", "answer": "1"}'
    (tmp_path / "winogrande" / "dev.jsonl").write_text(f"{row}\n")
    found = dict(program.label_sets(tmp_path))
    assert found.keys() == {"tickets", "winogrande"}
    assert found["winogrande"] == [("_ is wet.\n1: Rain\n2: Fire", "1")]
