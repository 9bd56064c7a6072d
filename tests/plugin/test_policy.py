"""Severities, waivers and required gates, from assay.yaml to exit code, run directory and report."""

from __future__ import annotations

import pytest
from project import FAILS, PASSES, UNMEASURABLE, Project, counts, gate_test, junit_results

FAILING = "pets/pets/answer_tokens/at_most"
OTHER = PASSES.replace("at_most(4)", "at_least(4)")
ADVISORY = '    gate(compare("pets").metric("accuracy").at_least(0.99), severity="advisory")\n'
INTEGRITY = "import pytest\n\npytestmark = pytest.mark.integrity\n"


def waiver(gate: str = FAILING, **changes: str) -> dict[str, str]:
    return {"gate": gate, "who": "Ada", "why": "the server cuts at `3`\u202e", "until": "2999-12-31", **changes}


def test_a_waived_failure_stays_a_failure_and_blocks_nothing(project: Project) -> None:
    project.config["waivers"] = [waiver()]
    project.config["required"] = [FAILING]
    project.write_tests(gate_test("fails", FAILS), gate_test("other", OTHER))
    result = project.run("--junitxml=pytest.xml", "-n2")

    assert result.ret == pytest.ExitCode.OK
    assert counts(result) == {"waived": 1, "passed": 1}
    verdict = project.verdicts[FAILING]
    assert (verdict["outcome"], verdict["severity"], verdict["waiver"]["lapse"]) == ("fail", "supporting", "")
    assert project.document["outcome"] == "pass"
    assert set(junit_results(project.root / "pytest.xml").values()) == {"passed"}
    assert junit_results(project.run_directory / "junit.xml")[FAILING] == "skipped"
    result.stdout.re_match_lines(
        [rf"FAIL +{FAILING}: ", r" +waived by Ada until 31 Dec 2999: the server cuts at `3`\[U\+202E\]$"]
    )
    summary = (project.run_directory / "summary.md").read_text()
    assert "## \u2705 May be released, with 1 gate waived" in summary and "<code>3</code>" in summary
    report = (project.run_directory / "report.html").read_text()
    assert "waived by Ada until 31 Dec 2999: the server cuts at <code>3</code>" in report


def test_what_no_waiver_holds_for_fails_and_says_why(project: Project) -> None:
    project.config["waivers"] = [
        waiver(until="2026-01-31"),
        waiver("pets/test_unmeasurable"),
        waiver("pets/pets/answer_tokens/at_mots"),
    ]
    project.config["severities"] = {"pets/pets/answer_token/at_most": "advisory"}
    project.config["required"] = ["pets/pets/answer_tokens/*", "forgetting/mmlu/acc/non_inferior"]
    project.write_tests(gate_test("fails", FAILS), gate_test("unmeasurable", UNMEASURABLE), gate_test("told", ADVISORY))
    result = project.run()

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert counts(result) == {"failed": 1, "errors": 1, "advisory": 1}
    result.stdout.fnmatch_lines([
        f"waivers: that of {FAILING} by Ada expired on 2026-01-31: the gate blocks again",
        "required: no test of the suite forgetting will run: *",
        "*the waiver by Ada expired on 31 Jan 2026",
    ])  # fmt: skip
    result.stdout.fnmatch_lines_random([
        "*advisory: it does not block",
        "*the waiver by Ada does not hold: what could not be measured cannot be waived",
        f"severities: pets/pets/answer_token/at_most (did you mean '{FAILING}'?): no gate of that name",
        f"waivers: *at_mots by Ada names no gate of this run (did you mean '{FAILING}'?)",
    ])  # fmt: skip
    missing = project.verdicts["policy/required/forgetting/mmlu/acc/non_inferior"]
    assert (missing["outcome"], missing["severity"]) == ("fail", "critical")
    assert project.document["counts"]["fail"] == 3 and project.document["outcome"] == "error"


def test_a_gate_of_integrity_is_critical_and_its_waiver_is_refused_before_anything_is_measured(
    project: Project,
) -> None:
    project.config["waivers"] = [waiver()]
    project.write_tests(INTEGRITY, gate_test("fails", FAILS))
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            f"*waivers: {FAILING}, waived by Ada, is critical",
            "*remedy: a critical gate cannot be waived:*`severities:`*",
        ]
    )
    assert project.runs == []

    project.config["severities"] = {"pets/*": "supporting"}
    assert project.run().ret == pytest.ExitCode.OK  # and what is waived spares no other suite


def test_a_required_gate_whose_tests_are_all_left_out_fails_the_run(project: Project) -> None:
    project.config["required"] = [FAILING]
    project.write_tests(
        "import pytest\n\n@pytest.mark.skip(reason='meh')\n" + gate_test("fails", FAILS), gate_test("other", OTHER)
    )
    result = project.run("-k", "not other")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    reason = project.verdicts[f"policy/required/{FAILING}"]["reason"]
    assert reason.endswith("of that name: its suite skipped tests (meh), tests deselected: 1")
