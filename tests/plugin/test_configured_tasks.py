"""Tests that run once for each task or gate of assay.yaml."""

from __future__ import annotations

import pytest
from project import TASK, Project, counts

SUITE = "def test_task(task_gate, compare, gate):\n    gate(task_gate.apply(compare(task_gate.task)))\n"
NAMES = "def test_name(task_name):\n    assert task_name in ('pets', 'more')\n"


def test_each_gate_and_task_of_the_file_is_a_test(project: Project) -> None:
    gates = [{"metric": "answer_tokens", "at_most": 4}, {"metric": "accuracy", "at_least": 0.9}]
    project.config["tasks"] = {"pets": {**TASK, "gates": gates}, "more": TASK}
    project.write_tests(SUITE, NAMES)
    result = project.run("-v")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert counts(result) == {"passed": 3, "failed": 1}
    assert project.outcomes == {
        "test_task[pets-answer_tokens-at_most]": "pass",
        "test_task[pets-accuracy-at_least]": "fail",
    }
    for name in ("pets", "more"):
        result.stdout.fnmatch_lines([f"*test_name?{name}? PASSED*"])


@pytest.mark.parametrize(
    ("gates", "told"),
    [
        ([{"metric": "accuracy"}], ["task 'pets', gate 1", "no rule", "superior, non_inferior, at_least, at_most"]),
        ([{"metric": "accuracy", "superior": 0.1}, {"metric": "f1", "above": 1}], ["gate 2", "unknown key 'above'"]),
        ({"accuracy": 0.5}, ["task 'pets'", "not a list"]),
        ([{"metric": "accuracy", "superior": "much"}], ["gate 1", "superior is 'much': not a number"]),
    ],
)
def test_a_malformed_gate_is_one_usage_error_naming_task_and_entry(
    project: Project, gates: object, told: list[str]
) -> None:
    project.config["tasks"]["pets"] = {**TASK, "gates": gates}
    project.write_tests(SUITE)
    result = project.run()
    assert result.ret in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.INTERRUPTED)
    output = result.stderr.str() + result.stdout.str()
    assert all(part in output for part in told), output
    assert "remedy: " in output
    assert "Traceback" not in output
    assert "harness/plugin" not in output
    assert project.runs == []


def test_no_gates_at_all_skips_and_says_so(project: Project) -> None:
    project.write_tests(SUITE)
    result = project.run("-rs")
    assert counts(result) == {"skipped": 1}
    result.stdout.fnmatch_lines(["*SKIPPED*empty parameter set*task_gate*"])


def test_a_task_without_generated_answers_is_no_task_name(project: Project) -> None:
    choices = {"kind": "multiple_choice", "data": "pets.jsonl"}
    project.config["tasks"] = {"pets": TASK, "known": choices, "bench": {"kind": "lm_eval"}}
    project.write_tests(NAMES)
    result = project.run("--collect-only", "-q")
    assert [line for line in result.outlines if "::" in line] == ["test_pets.py::test_name[pets]"]
