"""From verdict to pytest outcome: summary, JUnit, exit code and run directory say the same."""

from __future__ import annotations

import pytest
from project import FAILS, PASSES, UNDECIDED, UNMEASURABLE, Project, counts, gate_test, junit_results

ALL_FOUR = [
    gate_test("passes", PASSES),
    gate_test("fails", FAILS),
    gate_test("undecided", UNDECIDED),
    gate_test("unmeasurable", UNMEASURABLE),
]


def test_each_verdict_is_told_alike_by_pytest_junit_and_the_run(project: Project) -> None:
    project.write_tests(*ALL_FOUR)
    result = project.run("--junitxml=pytest.xml")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert counts(result) == {"passed": 1, "failed": 1, "errors": 1, "inconclusive": 1}
    assert project.outcomes == {
        "test_passes": "pass",
        "test_fails": "fail",
        "test_undecided": "inconclusive",
        "test_unmeasurable": "error",
    }
    assert project.document["outcome"] == "error"
    assert project.document["status"] == "complete"
    told = junit_results(project.root / "pytest.xml")
    assert told == {
        "test_passes": "passed",
        "test_fails": "failure",
        "test_undecided": "passed",
        "test_unmeasurable": "error",
    }
    ours = junit_results(project.run_directory / "junit.xml")
    assert ours == {
        "pets/pets/answer_tokens/at_most": "passed",
        "pets/pets/answer_tokens/at_most (test_fails)": "failure",
        "pets/pets/stops_with_eos/at_most": "skipped",
        "pets/test_unmeasurable": "error",
    }
    result.stdout.re_match_lines(
        [
            r"=+ release gates =+",
            r"PASS +pets/pets/answer_tokens/at_most: 4, between",
            r"INCONCLUSIVE +pets/pets/stops_with_eos/at_most: ",
            r"FAIL +pets/pets/answer_tokens/at_most \(test_fails\): .* but at most 3 is required",
            r"ERROR +pets/test_unmeasurable: task 'pets' has no metric 'acuracy'",
            r"answers: 0 from the cache, 20 computed; peak memory .* GiB",
            r"report: reports/.*/report\.html",
        ]
    )
    assert "Traceback" not in result.stdout.str()


@pytest.mark.parametrize("strict", [["--profile=release"], ["--inconclusive=fail"]])
def test_an_undecided_gate_fails_under_release(project: Project, strict: list[str]) -> None:
    project.write_tests(gate_test("undecided", UNDECIDED))
    result = project.run(*strict, "--junitxml=pytest.xml")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert counts(result) == {"failed": 1}
    result.stdout.fnmatch_lines(["*inconclusive: pets/pets/stops_with_eos/at_most: *", "*remedy: measure more items*"])
    assert project.outcomes == {"test_undecided": "inconclusive"}
    assert set(junit_results(project.root / "pytest.xml").values()) == {"failure"}
    assert set(junit_results(project.run_directory / "junit.xml").values()) == {"failure"}


def test_an_undecided_gate_warns_and_exits_0_under_smoke(project: Project) -> None:
    project.write_tests(gate_test("undecided", UNDECIDED))
    result = project.run("-v")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*test_undecided INCONCLUSIVE*", "*InconclusiveWarning: pets/pets/stops_with_eos*"])


@pytest.mark.parametrize("before", ["", PASSES, UNDECIDED])
def test_a_failing_assert_beside_gates_fails_the_run_too(project: Project, before: str) -> None:
    project.write_tests(gate_test("asserts", before + '    assert compare("pets").pairs == [], "pairs"\n'))
    result = project.run()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert counts(result) == {"failed": 1}
    assert project.document["outcome"] == "fail"
    assert project.verdicts["pets/test_asserts"]["outcome"] == "fail"


def test_a_bug_in_a_test_is_an_error_to_pytest_and_run_alike(project: Project) -> None:
    project.write_tests(gate_test("buggy", '    compare("pets").no_such_method()\n'))
    result = project.run("--junitxml=pytest.xml")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert counts(result) == {"errors": 1}
    result.stdout.fnmatch_lines(["*AttributeError: 'Comparison' object has no attribute 'no_such_method'*"])
    assert project.outcomes == {"test_buggy": "error"}
    assert junit_results(project.root / "pytest.xml") == {"test_buggy": "error"}


def test_a_failed_gate_that_the_test_swallows_still_fails_it(project: Project) -> None:
    body = "    import pytest\n    with pytest.raises(pytest.fail.Exception):\n    " + FAILS
    project.write_tests(gate_test("swallows", body))
    result = project.run()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert project.document["outcome"] == "fail"


def test_one_test_may_gate_twice_and_equal_gates_get_names_of_their_own(project: Project) -> None:
    project.write_tests(gate_test("twice", PASSES + PASSES), gate_test("again", PASSES))
    assert project.run().ret == pytest.ExitCode.OK
    name = "pets/pets/answer_tokens/at_most"
    assert list(project.verdicts) == [name, f"{name}#2", f"{name} (test_again)"]


def test_a_skipped_gate_is_in_the_manifest_and_a_foreign_skip_is_not(project: Project) -> None:
    skip = "import pytest\n\n@pytest.mark.skip(reason='not today')\n"
    project.write_tests(
        skip + gate_test("skipped", PASSES),
        gate_test("passes", PASSES),
        "@pytest.mark.skip(reason='foreign')\ndef test_foreign():\n    pass\n",
    )
    assert project.run().ret == pytest.ExitCode.OK
    assert project.manifest["skipped"] == [{"test": "test_pets.py::test_skipped", "reason": "Skipped: not today"}]


def test_a_gate_that_fails_in_a_set_up_is_an_error_of_each_of_its_tests(project: Project) -> None:
    project.write_tests(gate_test("one", PASSES), gate_test("two", PASSES))
    result = project.run("--adapter=./nowhere")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert counts(result) == {"errors": 2}
    assert project.outcomes == {"test_one": "error", "test_two": "error"}
    assert "no such directory" in project.verdicts["pets/test_one"]["reason"]
    assert "local directory or a hub id" in project.verdicts["pets/test_one"]["remedy"]
