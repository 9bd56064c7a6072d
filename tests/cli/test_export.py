from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import main


def test_an_adapter_is_exported_with_who_it_was(
    tiny_model_dir: Path,
    tiny_adapter_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "release"
    command = ["export", str(tiny_adapter_dir), "--model", str(tiny_model_dir), "--to", "merged", "--output", str(made)]
    assert main(command) == 0
    assert capsys.readouterr().out.strip() == str(made)
    source = json.loads((made / "assay-export.json").read_text())["source"]
    assert {"name", "digest", "weights", "adapter", "tokenizer"} <= source.keys()
    assert main(command) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_model_is_exported_by_itself(tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(tiny_model_dir), "--to", "int8", "--output", "release"]) == 0
    assert "adapter" not in json.loads((tmp_path / "release" / "assay-export.json").read_text())["source"]
