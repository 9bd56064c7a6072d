"""`--sequential`: a large task is asked only as far as its gates need, and the run says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from project import ROWS, TASK, Project, gate_test

from harness.errors import RunError
from harness.runs import load_run
from harness.runs.baselines import promote
from harness.runs.place import Place
from harness.runs.stores import Store

pytestmark = pytest.mark.usefixtures("heavy_libraries")

N = 600
KEPT = gate_test("kept", '    gate(compare("pets").metric("accuracy").non_inferior(0.3))\n')
SHORT = gate_test("short", '    gate(compare("pets").metric("answer_tokens").non_inferior(1))\n')


@pytest.fixture
def large(project: Project) -> Project:
    """The tiny project with 600 rows: above what is worth stopping."""
    rows = [{**ROWS[i % 2], "id": f"pet-{i}", "text": f"animal {i}"} for i in range(N)]
    project.write_rows(rows)
    project.config["tasks"] = {"pets": {**TASK, "max_new_tokens": 1}}
    project.config["profiles"] = {"smoke": {"limit": None}}
    return project


def test_a_clear_gate_stops_early_and_says_what_it_saved(large: Project) -> None:
    large.write_tests(KEPT)
    large.run("--sequential", "--dtype=float32")
    [verdict] = large.verdicts.values()
    facts = verdict["details"]["sequential"]
    assert verdict["outcome"] in ("pass", "inconclusive") and verdict["n"] == facts["items"] == 256
    assert (facts["of"], facts["saved"]) == (N, N - 256) and "of 600 items" in verdict["reason"]
    assert large.manifest["options"]["sequential"] is True
    assert large.manifest["answers"]["computed"] == 2 * 256


def test_a_metric_without_bounds_measures_the_rest(large: Project) -> None:
    large.write_tests(KEPT + SHORT)
    large.run("--sequential", "--dtype=float32")
    assert large.verdicts["pets/pets/answer_tokens/non_inferior"]["n"] == N
    assert large.manifest["answers"]["computed"] == 2 * N
    assert len(load_run(large.run_directory).read_samples()) == 2 * N


def test_the_same_command_twice_says_the_same(large: Project) -> None:
    large.write_tests(KEPT)
    told = []
    for _ in range(2):
        large.run("--sequential", "--dtype=float32")
        told.append({name: (v["outcome"], v["estimate"]) for name, v in large.verdicts.items()})
    assert told[0] == told[1]
    assert large.manifest["answers"]["computed"] == 0


def test_a_small_task_is_measured_whole(project: Project) -> None:
    project.write_tests(KEPT)
    project.run("--sequential", "--dtype=float32")
    [verdict] = project.verdicts.values()
    assert verdict["n"] == len(ROWS) and "sequential" not in verdict["details"]


def test_a_baseline_needs_all_items_and_a_stopped_run_becomes_none(large: Project, tmp_path: Path) -> None:
    large.write_tests(KEPT)
    result = large.run("--sequential", "--baseline=main")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--sequential and --baseline=main contradict each other*"])
    large.run("--sequential", "--dtype=float32")
    with pytest.raises(RunError, match="partial \\(--sequential"):
        promote(load_run(large.run_directory), Store(Place(str(tmp_path / "store"))))
