"""The figures of the data checks are counted as they say, and hold at their limits where the data are at hand."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
ANSWER = "The ferry sails at nine from the old pier. It takes an hour, and tickets are sold on board by the crew."


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.data_checks")


def test_cuts_are_found_and_complete_answers_are_not(program: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "dolly_eval").mkdir()
    rows = "".join(json.dumps({"prompt": f"When? {i}", "answer": ANSWER}) + "\n" for i in range(20))
    (tmp_path / "dolly_eval" / "dolly.jsonl").write_text(rows)
    found = dict(program.figures(tmp_path))
    assert found["endings_dolly_false"] == "0.0000 of 20"
    assert float(found["endings_dolly_sentence"].split()[0]) > 0.7
    assert (found["clean_rows"], found["clean_hits"]) == ("20", "0")
    planted = len(program.PERSONAL.replace("\n", "|").split("|")) + len(program.made_up_secrets())
    assert found["planted"] == f"{planted} of {planted}"
    assert found["placeholders"].startswith("0 of ")
