"""A task from run to run: the table of `assay runs --task`, and the line at the end of a session."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from made_runs import MANIFEST, changed, first, make_run

from harness.compare.history import Measure, history
from harness.report.history import history_table, last_runs, sparkline
from harness.runs import Run


def run_of(root: Path, nth: int, right: int, manifest: dict[str, Any] = MANIFEST, **rest: Any) -> Run:
    started = f"2026-01-{nth:02}T00:00:00+00:00"
    return make_run(root, f"r{nth}", first(right), manifest=manifest | {"started": started}, **rest)


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    """Better, then worse, then asked of other data."""
    other = changed(digest="x" * 64)
    return [run_of(tmp_path, 1, 45), run_of(tmp_path, 2, 54), run_of(tmp_path, 3, 6), run_of(tmp_path, 4, 48, other)]


def test_every_metric_of_the_task_is_followed_and_no_slice_of_it(runs: list[Run]) -> None:
    steps = history(runs, "quiz")
    assert {one for step in steps for one in step.points} == {Measure("quiz", "acc"), Measure("quiz", "words")}
    points = [step.points[Measure("quiz", "acc")] for step in steps]
    assert [point.value for point in points] == [0.75, 0.9, 0.1, 0.8]
    assert [point.outcome for point in points] == ["pass", "pass", "fail", "pass"]
    assert history(runs, "other") == []


def test_the_table_tells_the_change_from_the_run_before_where_the_two_compare(runs: list[Run]) -> None:
    head, *rows, pictures = [" ".join(line.split()) for line in history_table(history(runs, "quiz")).splitlines()]
    assert head == "run started adapter right choices words"
    assert "✓ 75% ✓" in rows[0]
    assert "✓ 90% +15 points ✓" in rows[1]
    assert "✗ 10% \u221280 points" in rows[2]
    assert "✓ 80% ✓" in rows[3] and rows[3].endswith("other data: no change told")
    assert pictures.startswith("▇█▁▇")


def test_a_run_ends_with_how_the_last_ones_went(runs: list[Run]) -> None:
    assert last_runs(runs[2].path) == "last runs: quiz, accuracy 75%, 90%, now 10% ▇█▁"
    assert last_runs(runs[1].path) == "last runs: quiz, accuracy 75%, now 90% ▁█"


def test_the_first_run_and_one_that_asks_something_else_have_no_last_ones(runs: list[Run], tmp_path: Path) -> None:
    assert last_runs(runs[0].path) == ""
    assert last_runs(runs[3].path) == ""
    assert last_runs(tmp_path / "none") == ""


def test_broken_and_interrupted_runs_before_are_passed_over(runs: list[Run], tmp_path: Path) -> None:
    (runs[0].path / "verdicts.json").write_text("{")
    shutil.rmtree(runs[3].path)
    run_of(tmp_path, 5, 30, status="interrupted")
    assert last_runs(run_of(tmp_path, 6, 24).path) == "last runs: quiz, accuracy 90%, 10%, now 40% █▁▄"


def test_a_sparkline_spans_the_values_it_has() -> None:
    assert sparkline([0.0, 0.5, 1.0]) == "▁▅█"
    assert sparkline([1.0, None, float("nan"), 1.0]) == "▅  ▅"
    assert sparkline([]) == ""
