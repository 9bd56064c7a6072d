"""Other people's words in a terminal and a CI log: shown, and not obeyed."""

from __future__ import annotations

import pytest
from project import Project, counts

from harness.errors import AssayError, on_one_line, printable
from harness.records import Verdict

FORGED = "\x1b[31mred\n::error::forged\u202e"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::error file=a::b", "[::]error file=a::b"),
        ("a\n  ::set-output name=x::y", "a\n  [::]set-output name=x::y"),
        ("##vso[task.complete]", "[##]vso[task.complete]"),
        ("##[error]x", "[##][error]x"),
        ("##teamcity[x]", "[##]teamcity[x]"),
        ("tensor x ##VSO[task.setvariable variable=a]b", "tensor x [##]VSO[task.setvariable variable=a]b"),
        ("slice a ##[add-mask]b", "slice a [##][add-mask]b"),
        ("a ::error::b", "a ::error::b"),
        ("## A heading", "## A heading"),
        ("test_a.py::test_b", "test_a.py::test_b"),
        (":: alone", ":: alone"),
    ],
)
def test_commands_to_runners_are_words(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_verdict_is_one_line_that_moves_no_cursor() -> None:
    verdict = Verdict(f"integrity/{FORGED}", "fail", f"tensor {FORGED}", remedy=FORGED, rule=FORGED)
    for text in (verdict.gate, verdict.reason, verdict.remedy, verdict.rule):
        assert "\n" not in text and "\x1b" not in text and "\u202e" not in text and not text.startswith("::")
    assert Verdict.from_json(verdict.to_json()) == verdict
    assert on_one_line("a\n::error::b") == "a [::]error::b"


def test_an_error_begins_no_line_with_a_command() -> None:
    assert "\n::" not in str(AssayError(f"slice {FORGED}", FORGED))


def test_slices_and_reasons_reach_the_terminal_as_words(project: Project) -> None:
    project.write_rows(
        [{"id": f"p{i}", "text": f"animal {i}", "pet": ("cat", "dog")[i % 2], "kind": FORGED} for i in range(4)]
    )
    project.config["tasks"]["pets"] = {**project.config["tasks"]["pets"], "tag_fields": ["kind"]}
    project.write_tests(
        f"FORGED = {FORGED!r}\n\ndef test_it(compare, gate):\n"
        "    gate(compare('pets').where(kind=FORGED).metric('answer_tokens').at_most(4))\n"
    )
    result = project.run("-v")
    assert counts(result) == {"passed": 1}
    output = "\n".join([*result.outlines, *result.errlines])
    assert "forged" in output
    assert not [line for line in output.splitlines() if line.lstrip().startswith("::") or "\x1b[31mred" in line]


def test_a_place_of_reports_is_told_as_words(project: Project) -> None:
    project.write_tests("def test_b(compare, gate):\n    gate(compare('pets').metric('answer_tokens').at_most(4))\n")
    result = project.run("--reports-dir=\x1b[31mred\n::error::forged")
    output = "\n".join([*result.outlines, *result.errlines])
    summary = output[output.index("release gates") :]
    assert "\nPASS         pets/pets/answer_tokens" in summary
    assert "\nreport: " in summary
    assert not [line for line in summary.splitlines() if line.lstrip().startswith("::")]
    assert "\x1b[31mred" not in summary


def test_a_key_of_the_ini_file_without_a_value_is_none_left_out(project: Project) -> None:
    project.write_tests("def test_it(compare, gate):\n    gate(compare('pets').metric('answer_tokens').at_most(4))\n")
    (project.root / "pytest.ini").write_text("[pytest]\nassay_baseline =\n")
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "assay_baseline in " in "\n".join([*result.errlines, *result.outlines])


@pytest.mark.parametrize("option", ["--baseline=", "--adapter=", "--assay-judge=", "--baseline=--"])
def test_an_option_without_a_value_is_no_option_left_out(project: Project, option: str) -> None:
    project.write_tests("def test_it(compare, gate):\n    gate(compare('pets').metric('answer_tokens').at_most(4))\n")
    result = project.run(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    name = option.strip("-=").removeprefix("assay-")
    assert f"--{name} is given without a value" in "\n".join([*result.errlines, *result.outlines])
    assert project.runs == []
