"""The list of runs: all of them, what is broken too, and each read again only where it changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from made_runs import MANIFEST, first, make_run

from harness.serve import index as index_module
from harness.serve.index import RunIndex


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    for nth, (name, right) in enumerate((("b", 50), ("a", 12))):
        make_run(root, name, first(right), manifest=MANIFEST | {"started": f"2026-01-0{nth + 1}T00:00:00+00:00"})
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "reports"))


def test_runs_are_listed_the_newest_first_with_what_was_found(root: Path) -> None:
    newest, oldest = RunIndex(root).runs()
    assert (newest.name, oldest.name) == ("a", "b")
    assert (oldest.outcome, newest.outcome) == ("pass", "fail")
    assert oldest.found.startswith("Does its job: accuracy 25 to 83%")
    assert (oldest.adapter, oldest.tasks) == ("out/checkpoint-1", ("quiz",))


def test_a_broken_run_is_listed_as_broken_and_what_is_no_run_is_not(root: Path) -> None:
    (root / "b" / "verdicts.json").write_text("{")
    (root / "gone").mkdir()
    (root / "gone" / "samples.parquet").write_bytes(b"")
    for other in ("notes", "baselines", ".x.partial"):
        (root / other).mkdir()
        (root / other / "readme").write_text("")
    (root / ".x.partial" / "manifest.json").write_text("{}")
    (root / "file").write_text("")
    found = {run.name: run for run in RunIndex(root).runs()}
    assert found.keys() == {"a", "b", "gone"}
    assert found["b"].outcome is None and "verdicts.json" in found["b"].found
    assert found["gone"].outcome is None and "manifest.json" in found["gone"].found


def test_a_run_is_read_again_only_where_it_changed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    load = index_module.load_run
    monkeypatch.setattr(index_module, "load_run", lambda path: read.append(path.name) or load(path))
    index = RunIndex(root)
    index.runs()
    index.runs()
    assert sorted(read) == ["a", "b"]
    (root / "a" / "verdicts.json").write_text("{}")
    assert [run.outcome for run in index.runs()] == ["pass", None]
    assert sorted(read) == ["a", "a", "b"]
    shutil.rmtree(root / "a")
    assert [run.name for run in index.runs()] == ["b"]


@pytest.mark.parametrize("name", ["..", ".", "", "../reports/a", "a/", "a/../b", "/etc", "baselines", "A", "a\x00"])
def test_only_the_name_of_a_listed_run_has_a_path(root: Path, name: str) -> None:
    assert RunIndex(root).path("a") == root / "a"
    assert RunIndex(root).path(name) is None


def test_a_directory_that_is_not_there_has_no_runs(tmp_path: Path) -> None:
    assert RunIndex(tmp_path / "none").runs() == []
