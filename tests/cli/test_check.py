"""`assay check`: what files tell, without pytest and without loading a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cli import main

TASK: dict[str, Any] = {
    "kind": "classification",
    "data": "pets.jsonl",
    "prompt": "Cat or dog? {text}",
    "target_field": "pet",
    "gates": [{"metric": "accuracy", "at_least": 0.5}],
}


def project(root: Path, monkeypatch: pytest.MonkeyPatch, **config: Any) -> None:
    monkeypatch.chdir(root)
    monkeypatch.setenv("ASSAY_CACHE_DIR", str(root / "cache"))
    monkeypatch.delenv("ASSAY_DATA_DIR", raising=False)
    rows = [{"text": f"animal {i}", "pet": ("cat", "dog")[i % 2]} for i in range(8)]
    (root / "pets.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (root / "assay.yaml").write_text(yaml.safe_dump(config))


def test_trouble_is_told_at_once_and_exits_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.yaml").write_text(
        yaml.safe_dump(
            {"base": "./nowhere", "data": {"train": {"path": "pets.jsonl"}, "rehearsal": {"path": "gone.csv"}}}
        )
    )
    project(
        tmp_path,
        monkeypatch,
        tasks={
            "named": {
                **TASK,
                "data": "lost.jsonl",
                "metrics": [{"contains": "x", "name": "mine"}],
                "gates": [{"metric": "mine", "at_least": 0.5}],
            },
            "pets": {**TASK, "prompt": "{txt}?"},
            "more": {**TASK, "gates": [{"metric": "f1", "at_least": 0.5}]},
        },
        recipe="mine.yaml",
        judge={"model": "./no_judge", "gold": "no_pairs.jsonl"},
    )
    assert main(["check"]) == 2
    told = capsys.readouterr().err
    for words in (
        "tasks.pets: prompt names the field 'txt'",
        "tasks.more, gate 1: has no metric 'f1'",
        "./nowhere: no such directory",
        "mine.yaml: data.train: ",
        "mine.yaml: data.rehearsal: no such data file",
        "judge.gold: no such data file",
        "no_judge: no such directory",
    ):
        assert words in told
    assert "tasks.named: no such data file" in told and "'mine'" not in told


def test_a_reward_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tiny_model_dir: Path
) -> None:
    said = {
        "base": str(tiny_model_dir),
        "method": "grpo",
        "reward": "gone:f",
        "data": {"train": {"path": "pets.jsonl"}},
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(said))
    project(tmp_path, monkeypatch, recipe="mine.yaml")
    (tmp_path / "pets.jsonl").write_text(json.dumps({"prompt": "Cat or dog?"}) + "\n")
    assert main(["check"]) == 2
    assert "reward 'gone:f' names no function of a module that is there" in capsys.readouterr().err


@pytest.mark.usefixtures("heavy_libraries")
def test_what_is_in_order_is_shown_with_its_first_prompt_and_sizes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tiny_model_dir: Path
) -> None:
    project(tmp_path, monkeypatch, tasks={"pets": TASK}, model=str(tiny_model_dir))
    assert main(["check"]) == 0
    said = capsys.readouterr().out
    lines = said.splitlines()
    [row] = [line for line in lines if line.startswith("pets ")]
    assert row.split()[:3] == ["pets", "8", "8"] and int(row.split()[3].replace(",", "")) > 8
    assert "Cat or dog? animal 0" in said[said.index("pets, first prompt:") :]
    assert "a run: 6 tasks, about" in said and "none cached" in said
    assert "how long it takes is told once" in said
