"""Parallel, selected, stopped, interrupted and repeated runs."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from project import FAILS, PASSES, UNMEASURABLE, Project, counts, gate_test

from harness.compare.runs import compare_runs
from harness.engines import AnswerCache
from harness.models import loading
from harness.runs import load_run
from harness.runs.baselines import NamedRun


def samples(project: Project) -> pd.DataFrame:
    return pd.read_parquet(project.run_directory / "samples.parquet")


def refuse_to_load(*_: object, **__: object) -> None:
    raise AssertionError("the model was loaded")


def test_a_second_run_computes_nothing_and_loads_no_weights(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write_tests(gate_test("passes", PASSES))
    assert project.run().ret == pytest.ExitCode.OK
    first = samples(project)
    monkeypatch.setattr(loading, "load_model", refuse_to_load)
    result = project.run()
    assert result.ret == pytest.ExitCode.OK
    assert project.manifest["answers"] == {"cached": 20, "computed": 0}
    result.stdout.fnmatch_lines(["answers: 20 from the cache, 0 computed*"])
    assert samples(project)["answer"].tolist() == first["answer"].tolist()
    assert samples(project)["cached"].all()


def test_x_stops_at_the_first_failed_gate_and_marks_the_run_interrupted(project: Project) -> None:
    project.write_tests(gate_test("fails", FAILS), gate_test("never", PASSES))
    result = project.run("-x")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert counts(result) == {"failed": 1}
    assert project.document["status"] == "interrupted"
    assert project.document["outcome"] == "incomplete"
    assert "INTERRUPTED" in (project.run_directory / "summary.md").read_text()


def test_selecting_by_k_and_lf_gates_what_was_selected(project: Project) -> None:
    project.write_tests(gate_test("passes", PASSES), gate_test("fails", FAILS), gate_test("unmeasurable", UNMEASURABLE))
    assert counts(project.run("-k", "passes")) == {"passed": 1, "deselected": 2}
    assert project.outcomes == {"test_passes": "pass"}
    project.run()
    assert counts(project.run("--lf"))["failed"] == 1
    assert project.outcomes == {"test_fails": "fail", "test_unmeasurable": "error"}


def test_gates_have_the_same_names_in_whatever_order_the_tests_ran(project: Project) -> None:
    project.write_tests(gate_test("a", PASSES), gate_test("b", FAILS))
    for order in ([], ["--ff"]):
        project.run(*order)
    assert [one["outcome"] for one in project.document["verdicts"]] == ["fail", "pass"]
    runs = [NamedRun(load_run(path), path.name) for path in project.runs]
    first, second = ({v.gate: v.outcome for v in found.run.verdicts} for found in runs)
    name = "pets/pets/answer_tokens/at_most"
    assert first == second == {f"{name} (test_a)": "pass", f"{name} (test_b)": "fail"}
    assert compare_runs(runs, margin=0.02).regressions == []


@pytest.mark.parametrize("parallel", [[], ["-n1"]])
def test_limits_of_a_task_that_no_gate_measured_are_told_at_the_end_of_a_whole_run(
    project: Project, parallel: list[str]
) -> None:
    project.config["margins"] = {"tasks": {"tpyo": {"baseline": 0.1}, "pets": {"baseline": 0.1}}}
    project.config["overfitting"] = {"tasks": {"pest": {"repetition": 0.1}}}
    project.write_tests(gate_test("a", PASSES), gate_test("b", PASSES))
    result = project.run(*parallel)
    assert result.ret == pytest.ExitCode.OK
    told = "margins.tasks.tpyo, overfitting.tasks.pest: no gate measured that task"
    result.stdout.fnmatch_lines([f"limits: {told}"])
    assert told in (project.run_directory / "summary.md").read_text().replace("&#46;", ".")


@pytest.mark.parametrize("part", [["-k", "test_a"], ["test_pets.py::test_a"], ["-x"]])
def test_a_part_of_a_run_says_nothing_of_limits_it_did_not_need(project: Project, part: list[str]) -> None:
    project.config["margins"] = {"tasks": {"further": {"baseline": 0.1}}}
    project.write_tests(gate_test("a", FAILS), gate_test("b", PASSES))
    project.run(*part)
    assert "unused_limits" not in project.manifest


def test_pytests_own_cache_is_not_needed(project: Project) -> None:
    project.write_tests(gate_test("passes", PASSES))
    assert project.run("-p", "no:cacheprovider").ret == pytest.ExitCode.OK
    assert project.outcomes == {"test_passes": "pass"}


@pytest.mark.parametrize("stop", ["raise KeyboardInterrupt", "import pytest; pytest.exit('enough', returncode=7)"])
def test_an_interrupt_marks_the_run_and_the_next_goes_on_from_its_answers(
    project: Project, monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    project.write_tests(gate_test("a", PASSES), f"def test_b(gate):\n    {stop}\n", gate_test("c", PASSES))
    result = project.run()
    assert result.ret == (7 if "7" in stop else pytest.ExitCode.INTERRUPTED)
    assert project.document["status"] == "interrupted"
    assert project.outcomes == {"test_a": "pass"}
    assert len(samples(project)) == 20

    project.write_tests(gate_test("a", PASSES), gate_test("c", PASSES))
    monkeypatch.setattr(loading, "load_model", refuse_to_load)
    assert project.run().ret == pytest.ExitCode.OK
    assert project.document["status"] == "complete"
    assert project.manifest["answers"] == {"cached": 20, "computed": 0}


def test_an_interrupt_amid_a_comparison_keeps_the_answers_there_are(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, calls = AnswerCache.put, iter(range(2))

    def interrupted(cache: AnswerCache, *arguments: Any) -> None:
        if next(calls) == 1:
            raise KeyboardInterrupt
        put(cache, *arguments)

    project.write_tests(gate_test("a", PASSES))
    with monkeypatch.context() as patch:
        patch.setattr(AnswerCache, "put", interrupted)
        assert project.run().ret == pytest.ExitCode.INTERRUPTED
    assert project.document["status"] == "interrupted"
    assert project.document["verdicts"] == []

    assert project.run().ret == pytest.ExitCode.OK
    assert project.manifest["answers"] == {"cached": 10, "computed": 10}
