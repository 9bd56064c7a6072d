"""`assay runs`, `assay baseline` and `assay compare`: what they print, write and return."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from made_runs import MANIFEST, N, changed, first, make_run

from harness.cli import main
from harness.records import Verdict


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs that passed, one that is worse, and one that was interrupted."""
    reports = tmp_path_factory.mktemp("made") / "reports"
    make_run(reports, "r1", first(50), words=8.0)
    make_run(reports, "r2", first(51), words=8.0)
    make_run(reports, "r3-worse", first(12), words=8.0)
    make_run(reports, "r4-cut", first(50), words=8.0, status="interrupted")
    return reports


@pytest.fixture(autouse=True)
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with these runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "assay.yaml").write_text("margins: {baseline: 0.3}\n")
    shutil.copytree(made, tmp_path / "reports")
    return tmp_path


@pytest.fixture
def assay(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, list[str], str]]:
    """Run a command: exit code, lines of output with single spaces, and what it said on stderr."""

    def run(*arguments: str) -> tuple[int, list[str], str]:
        code = main(list(arguments))
        shown = capsys.readouterr()
        return code, [" ".join(line.split()) for line in shown.out.splitlines()], shown.err

    return run


Assay = Callable[..., tuple[int, list[str], str]]


def test_runs_lists_who_was_measured_how_it_went_and_what_is_a_baseline(assay: Assay) -> None:
    assert assay("baseline", "set", "r1")[0] == 0
    assert assay("baseline", "set", "r1", "--name", "v1")[0] == 0
    code, lines, _ = assay("runs")
    assert code == 0
    assert lines[0] == "run started model adapter profile outcome baseline"
    rows = {line.split()[0]: line for line in lines[1:]}
    assert list(rows) == ["r1", "r2", "r3-worse", "r4-cut"]
    assert rows["r1"].endswith("tiny out/checkpoint-1 smoke pass main, v1")
    assert rows["r2"].endswith("smoke pass")
    assert rows["r3-worse"].endswith("smoke fail")
    assert rows["r4-cut"].endswith("smoke incomplete")


def test_runs_shows_a_task_from_run_to_run(assay: Assay) -> None:
    code, lines, _ = assay("runs", "--task", "quiz")
    assert code == 0 and lines[0] == "run started adapter right choices words"
    assert [line.split()[0] for line in lines[1:-1]] == ["r1", "r2", "r3-worse"]
    assert [line.split()[0] for line in assay("runs", "--task", "quiz", "--last", "1")[1][1:]] == ["r3-worse"]
    code, _, error = assay("runs", "--task", "quizz")
    assert code == 2 and "no run gated a task 'quizz'" in error and "did you mean 'quiz'?" in error


def test_runs_lists_the_last_ones_only(assay: Assay) -> None:
    assert [line.split()[0] for line in assay("runs", "--last", "2")[1][1:]] == ["r3-worse", "r4-cut"]
    with pytest.raises(SystemExit):
        main(["runs", "--last", "0"])


def test_names_of_runs_and_baselines_are_plain_for_a_shell(assay: Assay, here: Path) -> None:
    assay("baseline", "set", "r1")
    (here / "reports" / "notes").mkdir()
    hostile = here / "reports" / "$(touch x)"
    hostile.mkdir()
    (hostile / "manifest.json").write_text("{}")
    assert assay("runs", "--names")[1] == ["r1", "r2", "r3-worse", "r4-cut", "main"]


def test_runs_of_an_empty_place_say_so(assay: Assay) -> None:
    assert assay("runs", "--store=memory://empty")[:2] == (0, ["no runs in memory://empty yet"])


def test_a_baseline_is_set_shown_listed_and_forgotten(assay: Assay) -> None:
    code, lines, _ = assay("baseline", "list")
    assert code == 0 and "no baselines in" in lines[0]
    code, lines, _ = assay("baseline", "set", "r2")
    assert code == 0 and lines[0].startswith("baseline main: run r2 (out/checkpoint-1), ")
    code, lines, _ = assay("baseline", "show")
    assert code == 0
    assert {"run r2", "adapter out/checkpoint-1", "outcome pass", "tasks quiz", "gates 4"} <= set(lines)
    code, lines, _ = assay("baseline", "list")
    assert code == 0 and lines[1].startswith("main r2 out/checkpoint-1 ")
    assert assay("baseline", "rm", "main")[0] == 0
    code, _, error = assay("baseline", "show")
    assert code == 2 and "there is no baseline 'main'" in error and "none yet" in error


def test_a_failed_run_is_promoted_for_a_reason_only_and_an_interrupted_one_never(assay: Assay) -> None:
    code, _, error = assay("baseline", "set", "r3-worse")
    assert code == 2 and "has the outcome fail" in error and "--force REASON" in error
    code, lines, _ = assay("baseline", "set", "r3-worse", "--force", "shipped before the gate was there")
    assert code == 0 and lines[1] == "forced: shipped before the gate was there"
    assert "forced shipped before the gate was there" in assay("baseline", "show")[1]
    code, _, error = assay("baseline", "set", "r4-cut", "--force", "please")
    assert code == 2 and "r4-cut was interrupted" in error


def test_the_file_names_the_store_and_an_option_another(assay: Assay, here: Path) -> None:
    (here / "assay.yaml").write_text("store: shared\n")
    assert assay("baseline", "set", "r1")[0] == 0
    assert (here / "shared" / "r1" / "samples.parquet").is_file()
    assert assay("baseline", "set", "r2", "--store=other")[0] == 0
    assert (here / "other" / "baselines" / "main.json").is_file()
    assert {"run r1"} <= set(assay("baseline", "show")[1])
    assert {"run r2"} <= set(assay("baseline", "show", "--store=other")[1])
    assert [line.split()[0] for line in assay("runs", "--store=other")[1][1:]] == ["r2"]
    # runs are listed where they are written, with the names that the store gives them
    assert assay("runs")[1][1].endswith("pass main")


def test_comparing_equals_returns_0_and_a_regression_1(assay: Assay) -> None:
    code, lines, _ = assay("compare", "r1", "r2")
    assert code == 0
    assert lines[-1] == "No regression against r1"
    [task] = [line for line in lines if line.startswith("Task ")]
    assert task.startswith("Task ✓ 83% ✓ 85% +1.67 points [") and task.endswith("quiz, 0 lost, 1 gained")
    assert "gate A B" not in lines
    lines = assay("compare", "r1", "r2", "--gates")[1]
    table = lines.index("gate A B")
    assert lines[table + 1].startswith("task/quiz/acc/superior ✓ 0.583 [")
    assert lines[table + 2].startswith("superior by 0.05 Δ +1.67 points [")
    code, lines, _ = assay("compare", "r1", "r2", "r3-worse")
    assert code == 1
    assert lines[-1] == "1 regression in C against r1"
    [told] = [line for line in lines if line.startswith("REGRESSION")]
    assert told.startswith(
        "REGRESSION in C: quiz: right choices 83% → 20%, passed before, fails now (task/quiz/acc/superior, "
    )
    assert lines[-2] == (
        "The last of 3 runs against the first. Task: accuracy 83 to 20%, 38 lost, 0 gained. Worse: task."
    )


def test_a_baseline_is_compared_by_its_name(assay: Assay) -> None:
    assay("baseline", "set", "r1")
    code, lines, _ = assay("compare", "main", "r3-worse")
    assert code == 1
    assert lines[0].startswith("A main (r1) out/checkpoint-1 ")


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        (["r1"], "a comparison needs two runs"),
        (["r1", "r9"], "'r9' is neither a baseline (none) nor a run"),
        (["r1", "r4-cut"], "r4-cut was interrupted"),
        (["r1", "./nowhere"], "there is no run at nowhere"),
        (["r1", "s3://bucket/r1"], "needs the package s3fs"),
        (["r1", "other-data"], "differs: quiz: data"),
    ],
)
def test_what_cannot_be_compared_is_misuse(assay: Assay, here: Path, runs: list[str], said: str) -> None:
    make_run(here / "reports", "other-data", first(50), manifest=changed(digest="x" * 64))
    code, lines, error = assay("compare", *runs)
    assert (code, lines) == (2, [])
    assert error.startswith("assay: ") and said in error and "Traceback" not in error


def test_no_run_at_all_is_misuse() -> None:
    with pytest.raises(SystemExit) as exit_code:
        main(["compare"])
    assert exit_code.value.code == 2


def test_a_gate_that_is_missing_is_told_beside_the_answer(assay: Assay, here: Path) -> None:
    gone = Verdict("integrity/safe", "pass", "fine", rule="holds")
    make_run(here / "reports", "whole", first(50), words=8.0, extra=[gone])
    code, lines, _ = assay("compare", "whole", "r2")
    assert code == 0
    assert lines.count("Missing in B: 1 gate (integrity/safe)") == 1
    assert lines[-1] == "No regression against whole"


def test_gates_of_another_profile_are_one_line_and_no_alarm(assay: Assay, here: Path) -> None:
    extra = [Verdict(f"safety/{n}", "pass", "fine", suite="safety", rule="holds") for n in range(58)]
    release = [*extra, Verdict("judge/talk", "pass", "fine", suite="judge", rule="holds")]
    make_run(here / "reports", "full", first(50), words=8.0, extra=release, manifest=MANIFEST | {"profile": "release"})
    code, lines, _ = assay("compare", "full", "r2")
    assert (code, lines[-1]) == (0, "No regression against full")
    assert lines.count("Only in A (profile release): 59 gates (judge 1, safety 58)") == 1
    assert not [line for line in lines if "safety/" in line or "judge/" in line]


def test_the_worked_example_of_the_docs_is_what_is_printed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parents[2] / "docs" / "how-to" / "baselines.md").read_text(encoding="utf-8")
    (here / "assay.yaml").write_text("")
    dip = [(i < 50 and i not in (3, 4)) or i == 55 for i in range(N)]
    for name, right in (("20261122T105622Z-f37f65", first(50)), ("dip", dip), ("worse", first(34))):
        make_run(here / "reports", name, right)
    main(["baseline", "set", "20261122T105622Z-f37f65"])
    capsys.readouterr()
    for name, exit_code in (("dip", 0), ("worse", 1)):
        [shown] = re.findall(rf"```console\n\$ assay compare main {name}\n(.*?)```", text, flags=re.DOTALL)
        assert main(["compare", "main", name]) == exit_code
        dates = r"\d+ \w{3} \d{4}, \d\d:\d\d UTC"
        assert re.sub(dates, "", capsys.readouterr().out) == re.sub(dates, "", shown)


def test_a_task_may_have_its_own_tolerable_loss(assay: Assay, here: Path) -> None:
    make_run(here / "reports", "r5", first(36), words=8.0)
    (here / "assay.yaml").write_text("margins: {baseline: 0.01, tasks: {quiz: {baseline: 0.5}}}\n")
    assert not [
        line for line in assay("compare", "r1", "r5")[1] if "REGRESSION" in line and "(task/quiz/acc/superior" in line
    ]


def test_the_tolerable_loss_of_a_gain_is_that_of_the_file(assay: Assay, here: Path) -> None:
    make_run(here / "reports", "r5", first(36), words=8.0)
    assert not [
        line for line in assay("compare", "r1", "r5")[1] if "REGRESSION" in line and "(task/quiz/acc/superior" in line
    ]
    (here / "assay.yaml").write_text("margins: {baseline: 0.01}\n")
    assert [
        line for line in assay("compare", "r1", "r5")[1] if "REGRESSION" in line and "(task/quiz/acc/superior" in line
    ]


def test_html_is_written_where_asked_beside_the_answer(assay: Assay, here: Path) -> None:
    code, lines, _ = assay("compare", "r1", "r3-worse", "--html", "out/compare.html")
    assert code == 1
    assert lines[-1] == "report: out/compare.html"
    assert (here / "out" / "compare.html").read_text().startswith("<!doctype html>")


def test_a_file_where_runs_should_be_is_refused_and_shown_without_its_codes(assay: Assay, here: Path) -> None:
    (here / "no\x1b[31mruns").write_text("")
    code, _, said = assay("runs", "--reports-dir", "no\x1b[31mruns")
    assert code == 2
    assert "is a file" in said and "directory that holds the runs" in said
    assert "\x1b" not in said and "[U+001B]" in said
