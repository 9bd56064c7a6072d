"""`--sequential`: a large task is asked only as far as its gates need, and the run says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from project import ROWS, TASK, Project, gate_test

from harness.errors import RunError
from harness.runs import load_run
from harness.runs.baselines import promote
from harness.runs.location import Location
from harness.runs.storage import Store

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


def test_a_clear_gate_stops_early_and_the_run_says_what_that_saved(large: Project) -> None:
    large.write_tests(KEPT)
    result = large.run("--sequential", "--dtype=float32")
    [verdict] = large.verdicts.values()
    assert verdict["outcome"] in ("pass", "inconclusive") and verdict["n"] == 256
    assert verdict["details"]["sequential"] == {"items": 256, "of": N} and "of 600 items" in verdict["reason"]
    assert large.manifest["options"]["sequential"] is True
    assert large.manifest["answers"]["computed"] == 2 * 256
    [task] = large.manifest["sequential"]["tasks"].values()
    assert (task["items"], task["measured"], task["left_out"]) == (N, 256, N - 256) and task["saved_s"] > 0
    result.stdout.fnmatch_lines(["sequential: pets measured on 256 of 600 items, saving about *"])
    assert "pets measured on 256 of 600 items" in (large.run_directory / "summary.md").read_text()


def test_what_one_gate_left_out_and_another_measured_is_not_saved(large: Project) -> None:
    large.write_tests(KEPT + SHORT)
    result = large.run("--sequential", "--dtype=float32")
    kept, short = (large.verdicts[f"pets/pets/{metric}/non_inferior"] for metric in ("accuracy", "answer_tokens"))
    assert (kept["n"], short["n"]) == (256, N)
    [task] = large.manifest["sequential"]["tasks"].values()
    assert (task["measured"], task["left_out"], task["saved_s"]) == (N, 0, 0.0)
    result.stdout.fnmatch_lines(["sequential: pets measured whole, 600 items"])
    assert large.manifest["answers"]["computed"] == 2 * N
    assert len(load_run(large.run_directory).read_samples()) == 2 * N


def test_items_come_in_the_task_s_random_order_whatever_was_asked_for_at_once(large: Project) -> None:
    body = "\n".join(
        f"    assert [s.item_id for s in pets.upto({count}).candidate] == order[:{count}]" for count in (256, 600, 300)
    )
    large.write_tests(
        f'def test_order(compare):\n    pets = compare("pets")\n    order = list(pets.task.random_order())\n{body}\n'
        "    assert order != sorted(order)\n"
    )
    large.run("--sequential", "--dtype=float32").assert_outcomes(passed=1)


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
    result = project.run("--sequential", "--dtype=float32")
    [verdict] = project.verdicts.values()
    assert verdict["n"] == len(ROWS) and "sequential" not in verdict["details"]
    result.stdout.fnmatch_lines(["sequential: all tasks measured whole*500 items*"])
    assert project.manifest["sequential"] == {"least_items": 500, "tasks": {}}


def test_processes_that_measure_the_same_task_count_its_items_once(large: Project) -> None:
    other = gate_test("other", '    gate(compare("pets").metric("accuracy").non_inferior(0.2))\n')
    large.write_tests(KEPT, other)
    large.run("--sequential", "--dtype=float32", "-n2")
    [task] = large.manifest["sequential"]["tasks"].values()
    assert (task["measured"], task["left_out"]) == (256, N - 256) and task["saved_s"] > 0
    assert large.manifest["answers"]["computed"] == 2 * 256


def test_a_baseline_needs_all_items_and_a_stopped_run_becomes_none(large: Project, tmp_path: Path) -> None:
    large.write_tests(KEPT)
    result = large.run("--sequential", "--baseline=main")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--sequential and --baseline=main contradict each other*"])
    large.run("--sequential", "--dtype=float32")
    with pytest.raises(RunError, match="partial \\(--sequential"):
        promote(load_run(large.run_directory), Store(Location(str(tmp_path / "store"))))
