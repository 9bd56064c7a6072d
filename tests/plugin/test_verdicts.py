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
        "pets/pets/answer_tokens/at_most (test_passes)": "passed",
        "pets/pets/answer_tokens/at_most (test_fails)": "failure",
        "pets/pets/stops_with_eos/at_most": "skipped",
        "pets/test_unmeasurable": "error",
    }
    result.stdout.re_match_lines(
        [
            r"=+ release gates =+",
            r"PASS +pets/pets/answer_tokens/at_most \(test_passes\): 4, between",
            r"INCONCLUSIVE +pets/pets/stops_with_eos/at_most: ",
            r"FAIL +pets/pets/answer_tokens/at_most \(test_fails\): .* but at most 3 is required",
            r" +remedy: look at the worst slices and items in the report",
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


XFAIL = "import pytest\n\n@pytest.mark.xfail(reason='known')\n"
SWALLOWS = "    import pytest\n    with pytest.raises(pytest.fail.Exception):\n    "
SKIPS = f"    import pytest\n    try:\n    {FAILS}    except BaseException:\n        pytest.skip('meh')\n"


@pytest.mark.parametrize(
    ("test", "way"),
    [
        (gate_test("waives", SWALLOWS + FAILS), "catching its failure"),
        (gate_test("waives", SKIPS), "a skip"),
        (gate_test("waives", SKIPS.replace("skip(", "xfail(")), "xfail"),
        (XFAIL + gate_test("waives", FAILS), "xfail"),
    ],
)
def test_no_test_waives_its_failed_gate(project: Project, test: str, way: str) -> None:
    project.write_tests(test)
    result = project.run("--junitxml=pytest.xml")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert counts(result) == {"failed": 1}
    result.stdout.fnmatch_lines(
        ["*but at most 3 is required*", f"*{way} does not waive a gate*", "*remedy: *deselect*"]
    )
    assert project.outcomes == {"test_waives": "fail"}
    assert junit_results(project.root / "pytest.xml") == {"test_waives": "failure"}
    assert project.manifest["skipped"] == []


@pytest.mark.parametrize("test", [XFAIL + gate_test("waives", UNDECIDED), gate_test("waives", SWALLOWS + UNDECIDED)])
def test_no_test_waives_an_undecided_gate_where_that_fails(project: Project, test: str) -> None:
    project.write_tests(test)
    assert counts(project.run("--inconclusive=fail")) == {"failed": 1}
    assert project.outcomes == {"test_waives": "inconclusive"}


def test_xfail_and_skip_stay_what_they_are_where_no_gate_failed(project: Project) -> None:
    project.write_tests(
        XFAIL + gate_test("undecided", UNDECIDED + "    assert False\n"),
        XFAIL + gate_test("asserts", PASSES + "    assert False\n"),
        gate_test("skips", PASSES + "    pytest.skip('enough')\n"),
    )
    result = project.run()
    assert result.ret == pytest.ExitCode.OK
    assert counts(result) == {"xfailed": 2, "skipped": 1}
    reasons = [one["reason"] for one in project.manifest["skipped"]]
    assert reasons == ["xfailed: known", "xfailed: known", "Skipped: enough"]


def test_a_gate_that_fails_in_a_fixture_of_its_test_is_in_the_run(project: Project) -> None:
    fixture = "import pytest\n\n@pytest.fixture\ndef gated(compare, gate):\n" + FAILS
    project.write_tests(fixture, "def test_with(gated):\n    pass\n")
    assert counts(project.run()) == {"errors": 1}
    assert project.outcomes == {"test_with": "fail"}


def test_one_test_may_gate_twice_and_equal_gates_get_names_of_their_own(project: Project) -> None:
    project.write_tests(gate_test("twice", PASSES + PASSES), gate_test("again", PASSES))
    assert project.run().ret == pytest.ExitCode.OK
    name = "pets/pets/answer_tokens/at_most"
    assert list(project.verdicts) == [f"{name} (test_twice)", f"{name}#2", f"{name} (test_again)"]


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
    result = project.run("--model=./nowhere")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert counts(result) == {"errors": 2}
    assert project.outcomes == {"test_one": "error", "test_two": "error"}
    assert "no such directory" in project.verdicts["pets/test_one"]["reason"]
    assert "local directory or a hub id" in project.verdicts["pets/test_one"]["remedy"]


SUBTESTS = (
    "def test_both(compare, gate, subtests):\n    for most in (4, 3, 5):\n        with subtests.test(most=most):\n"
    '            gate(compare("pets").metric("answer_tokens").at_most(most))\n'
)


@pytest.mark.parametrize("parallel", [[], ["-n1"]])
def test_each_gate_of_a_subtest_is_one_verdict(project: Project, parallel: list[str]) -> None:
    project.write_tests(SUBTESTS)
    result = project.run(*parallel)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    name = "pets/pets/answer_tokens/at_most"
    told = [(one["gate"], one["outcome"]) for one in project.document["verdicts"]]
    assert told == [(name, "pass"), (f"{name}#2", "fail"), (f"{name}#3", "pass")]
    assert project.document["counts"] == {"error": 0, "fail": 1, "inconclusive": 0, "pass": 2}
    assert list(junit_results(project.run_directory / "junit.xml").values()) == ["passed", "failure", "passed"]


def test_a_test_that_fails_and_then_breaks_at_its_end_has_two_verdicts_of_two_names(project: Project) -> None:
    fixture = "import pytest\n\n@pytest.fixture\ndef broken():\n    yield\n    raise RuntimeError('teardown')\n"
    project.write_tests(fixture, "def test_it(gate, broken):\n    assert False\n")
    project.run()
    told = [(one["gate"], one["outcome"]) for one in project.document["verdicts"]]
    assert told == [("pets/test_it", "fail"), ("pets/test_it#2", "error")]


ODD = """
from harness.records import Verdict

class Odd:
    def decide(self):
        return Verdict("odd", "pass", "fine", n="many")

def test_odd(gate):
    gate(Odd())
"""


def test_a_mistyped_verdict_is_an_error_of_its_test(project: Project) -> None:
    project.write_tests(ODD)
    result = project.run()
    assert counts(result) == {"errors": 1}
    [verdict] = project.verdicts.values()
    assert verdict["outcome"] == "error"
    assert "n is 'many' (str)" in verdict["reason"]
