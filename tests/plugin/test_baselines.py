"""`--baseline`: the candidate against the released adapter, beside base against candidate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from project import PASSES, UNDECIDED, Project, counts, gate_test, junit_results

from harness.errors import RunError
from harness.runs import load_run
from harness.runs.baselines import promote
from harness.runs.location import Location
from harness.runs.samples import encode_table, samples_table
from harness.runs.storage import Store

# The random model answers four tokens to everything and never ends by itself: base and candidate are equal on both.
BRIEF = '    gate(compare("pets").metric("answer_tokens").non_inferior(1))\n'
ENDS = '    gate(compare("pets").metric("stops_with_eos").superior())\n'
BASE = "baseline/same_base"
SECOND = "baseline/pets/answer_tokens/non_inferior"


def release(project: Project, scores: Mapping[str, float] | None = None) -> Path:
    """The newest run as the baseline `main`; with `scores`, as if the released adapter had scored so on every item."""
    run = load_run(project.run_directory)
    if scores is not None:
        samples = [
            replace(s, scores={**s.scores, **scores}) if s.role == "candidate" else s for s in run.read_samples()
        ]
        (run.path / "samples.parquet").write_bytes(encode_table(samples_table(run.id, samples)))
    promote(run, Store(Location(str(project.root / "reports"))), force="released before there was a gate")
    return run.path


@pytest.fixture
def released(project: Project) -> Path:
    """The same adapter, released."""
    project.write_tests(gate_test("brief", BRIEF))
    assert project.run().ret == pytest.ExitCode.OK
    return release(project)


def test_an_adapter_that_is_as_good_as_the_released_one_passes_both_verdicts(project: Project, released: Path) -> None:
    result = project.run("--baseline=main")
    assert result.ret == pytest.ExitCode.OK
    assert counts(result) == {"passed": 1}
    assert {gate: v["outcome"] for gate, v in project.verdicts.items()} == {
        "pets/pets/answer_tokens/non_inferior": "pass",
        SECOND: "pass",
        BASE: "pass",
    }
    second = project.verdicts[SECOND]
    assert (second["margin"], second["n"], second["suite"]) == (1.0, 10, "baseline")
    assert second["reason"] == "against main: unchanged, so nothing was lost"
    assert project.manifest["baseline"] == {
        "name": "main", "run": released.name, "adapter": "adapter", "new": [], "missing": [],
    }  # fmt: skip
    result.stdout.fnmatch_lines([f"baseline: main (run {released.name})"])


@pytest.mark.parametrize("parallel", [[], ["-n2"]])
def test_a_loss_against_the_released_adapter_fails_the_test_though_the_base_is_no_better(
    project: Project, parallel: list[str]
) -> None:
    project.write_tests(gate_test("brief", BRIEF), gate_test("other", UNDECIDED))
    project.run()
    release(project, {"answer_tokens": 1.0})
    result = project.run("--baseline=main", "--junitxml=pytest.xml", *parallel)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert counts(result) == {"inconclusive": 1, "failed": 1}
    assert project.verdicts["pets/pets/answer_tokens/non_inferior"]["outcome"] == "pass"
    second = project.verdicts[SECOND]
    assert second["outcome"] == "fail"
    assert second["reason"] == "against main: rose 3, more than the 1 allowed"
    assert second["test"] == "test_pets.py::test_brief"
    assert junit_results(project.root / "pytest.xml") == {"test_brief": "failure", "test_other": "passed"}
    assert junit_results(project.run_directory / "junit.xml")[SECOND] == "failure"
    assert project.document["outcome"] == "fail"


def test_a_gate_that_asks_for_a_gain_takes_its_tolerable_loss_from_the_margins(project: Project) -> None:
    project.config["margins"] = {"baseline": 0.25}
    project.write_tests(gate_test("ends", ENDS))
    project.run()
    release(project, {"stops_with_eos": 1.0})
    assert project.run("--baseline=main").ret == pytest.ExitCode.TESTS_FAILED
    second = project.verdicts["baseline/pets/stops_with_eos/non_inferior"]
    assert (second["outcome"], second["margin"]) == ("fail", 0.25)
    assert second["reason"].startswith("against main: dropped 100.0 points, between ")
    assert len(second["details"]["right_to_wrong"]) == 10


def test_gates_that_ask_for_a_level_are_held_against_the_released_adapter_once(project: Project) -> None:
    project.config["margins"] = {"baseline": 0.02, "tasks": {"pets": {"baseline": 0.25}}}
    alone = '    gate(evaluate("pets", "candidate").metric("stops_with_eos").at_most(0.9))\n'
    project.write_tests(
        gate_test("compared", '    gate(compare("pets").metric("stops_with_eos").at_most(0.9))\n'),
        gate_test("alone", alone).replace("compare,", "evaluate,"),
    )
    project.run()
    release(project, {"stops_with_eos": 1.0})
    project.run("--baseline=main")
    second = {gate: v for gate, v in project.verdicts.items() if v["against"] == "main" and gate != BASE}
    assert list(second) == [gate := "baseline/pets/stops_with_eos/non_inferior"]
    assert (second[gate]["outcome"], second[gate]["margin"]) == ("fail", 0.25)
    assert second[gate]["test"] == "test_pets.py::test_alone"


def test_runs_that_were_asked_otherwise_are_refused_with_the_parts_named(project: Project) -> None:
    project.write_tests(gate_test("brief", BRIEF))
    project.run("--dtype=float32")
    release(project)
    project.config["tasks"]["pets"] = {**project.config["tasks"]["pets"], "prompt": "Dog or cat? {text}"}
    result = project.run("--baseline=main", "--dtype=bfloat16")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert counts(result) == {"errors": 1}
    reason = project.verdicts[SECOND]["reason"]
    assert reason.startswith("against main: the runs cannot be compared on pets: prompts, ")
    assert "precision (float32, there bfloat16) differ" in reason
    assert "data" not in reason


def test_another_base_than_the_baselines_leaves_the_run_undecided_until_that_is_accepted_by_name(
    project: Project, released: Path
) -> None:
    manifest = released / "manifest.json"
    stored = json.loads(manifest.read_text())
    stored["model"]["parts"]["weights"] = "0" * 64
    manifest.write_text(json.dumps(stored))
    result = project.run("--baseline=main", "--inconclusive=fail")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    verdict = project.verdicts[BASE]
    assert (
        verdict["outcome"] == "inconclusive"
        and "weights differ" in verdict["reason"]
        and "waivers:" in verdict["remedy"]
    )
    assert project.document["outcome"] == "inconclusive"
    assert "is not that of the baseline" in result.stdout.str() + result.stderr.str()
    assert project.run("--baseline=main").ret == pytest.ExitCode.OK
    project.config["waivers"] = [{"gate": BASE, "who": "Ada", "why": "the base moves with it", "until": "2999-01-01"}]
    assert project.run("--baseline=main", "--inconclusive=fail").ret == pytest.ExitCode.OK
    assert project.verdicts[BASE]["outcome"] == "inconclusive"


@pytest.mark.parametrize("strict", [[], ["--strict"], ["--assay-strict"], ["--strict", "-n2"]])
def test_new_gates_are_told_and_missing_ones_fail_where_all_is_asked_for(project: Project, strict: list[str]) -> None:
    project.write_tests(gate_test("brief", BRIEF), gate_test("again", BRIEF), gate_test("gone", PASSES))
    project.run()
    release(project)
    project.write_tests(gate_test("brief", BRIEF), gate_test("again", BRIEF), gate_test("ends", ENDS))
    result = project.run("--baseline=main", *strict)
    new, gone = "pets/pets/stops_with_eos/superior", "pets/pets/answer_tokens/at_most"
    assert project.manifest["baseline"]["new"] == [new]
    assert project.manifest["baseline"]["missing"] == [gone]
    result.stdout.fnmatch_lines([f"baseline: main (run *); new: {new}; missing: {gone}"])
    missing = project.verdicts.get(f"baseline/missing/{gone}")
    if strict:
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        assert missing is not None and missing["outcome"] == "fail"
        assert junit_results(project.run_directory / "junit.xml")[f"baseline/missing/{gone}"] == "failure"
    else:
        assert result.ret == pytest.ExitCode.OK
        assert missing is None
    assert "missing" in (project.run_directory / "summary.md").read_text()


def test_a_task_the_baseline_never_measured_is_new_and_not_an_error(project: Project, released: Path) -> None:
    project.config["tasks"]["beasts"] = project.config["tasks"]["pets"]
    project.write_tests(gate_test("brief", BRIEF.replace("pets", "beasts")))
    assert project.run("--baseline=main").ret == pytest.ExitCode.OK
    assert list(project.verdicts) == ["pets/beasts/answer_tokens/non_inferior", BASE]
    assert project.manifest["baseline"]["new"] == ["pets/beasts/answer_tokens/non_inferior"]


@pytest.mark.parametrize("spelling", ["id", "path", "other store"])
def test_a_baseline_is_found_by_id_path_and_in_another_store(project: Project, released: Path, spelling: str) -> None:
    arguments = {
        "id": [f"--baseline={released.name}"],
        "path": [f"--baseline={released}"],
        "other store": ["--baseline=shipped", "--baseline-store=elsewhere"],
    }[spelling]
    promote(load_run(released), Store(Location(str(project.root / "elsewhere"))), "shipped")
    assert project.run(*arguments).ret == pytest.ExitCode.OK
    assert project.verdicts[SECOND]["outcome"] == "pass"


@pytest.mark.parametrize("parallel", [[], ["-n2"]])
def test_an_unknown_or_interrupted_baseline_is_told_once_and_runs_nothing(
    project: Project, released: Path, parallel: list[str]
) -> None:
    result = project.run("--baseline=mian", *parallel)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (result.stdout if parallel else result.stderr).fnmatch_lines(
        ["ERROR: 'mian' is neither a baseline (main) nor a run*"]
    )
    manifest = json.loads((released / "manifest.json").read_text())
    (released / "manifest.json").write_text(json.dumps({**manifest, "status": "interrupted"}))
    result = project.run("--baseline=main", *parallel)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (result.stdout if parallel else result.stderr).fnmatch_lines(["ERROR: the run * was interrupted*"])
    assert len(project.runs) == 1


def test_a_selected_part_of_the_suites_is_marked_and_cannot_be_promoted(project: Project) -> None:
    project.write_tests(gate_test("brief", BRIEF), gate_test("other", PASSES), "def test_foreign():\n    pass\n")
    project.run("-k", "brief")
    assert project.manifest["deselected"] == 1
    with pytest.raises(Exception, match=r"is partial \(1 of its tests were deselected\)"):
        promote(load_run(project.run_directory), Store(Location(str(project.root / "reports"))))


@pytest.mark.parametrize(
    ("arguments", "selected"),
    [
        (["test_pets.py::test_brief"], ["test_pets.py::test_brief"]),
        (["test_pets.py"], ["test_pets.py"]),
        (
            ["--ignore=test_other.py", "--ignore-glob", "*_others.py"],
            ["--ignore=test_other.py", "--ignore-glob=*_others.py"],
        ),
        (["--lf"], ["--lf"]),
        (["--sw"], ["--sw"]),
        (["."], []),
        (["--ff", "-x"], []),
    ],
)
def test_a_run_of_files_or_tests_picked_out_is_marked_and_cannot_be_promoted(
    project: Project, arguments: list[str], selected: list[str]
) -> None:
    project.write_tests(gate_test("brief", BRIEF))
    project.write_tests(gate_test("other", PASSES), name="test_other.py")
    project.run(*arguments)
    assert (project.manifest["selected"], project.manifest["deselected"]) == (selected, 0)
    store = Store(Location(str(project.root / "reports")))
    if selected:
        with pytest.raises(RunError, match=r"is partial \(it was narrowed by "):
            promote(load_run(project.run_directory), store)
    else:
        assert promote(load_run(project.run_directory), store).forced is None


def test_what_the_project_itself_always_leaves_out_narrows_no_run(project: Project) -> None:
    project.write_tests(gate_test("brief", BRIEF))
    project.write_tests(gate_test("other", PASSES), name="test_other.py")
    lines = "[pytest]\naddopts = --ignore=test_other.py --ignore-glob *_others.py\ntestpaths = test_pets.py\n"
    (project.root / "pytest.ini").write_text(lines)
    project.run()
    assert list(project.verdicts) == ["pets/pets/answer_tokens/non_inferior"]
    assert project.manifest["selected"] == []
    project.run("--ignore=test_none.py")
    assert project.manifest["selected"] == ["--ignore=test_none.py"]


@pytest.mark.parametrize("torn", [False, True])
def test_a_baseline_without_its_samples_is_told_before_anything_is_measured(
    project: Project, released: Path, torn: bool
) -> None:
    samples = released / "samples.parquet"
    samples.write_bytes(samples.read_bytes()[:300]) if torn else samples.unlink()
    result = project.run("--baseline=main")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: *samples.parquet {'cannot be read' if torn else 'is missing'}*"])
    assert len(project.runs) == 1


@pytest.mark.parametrize("strict", [[], ["--assay-strict"]])
def test_gates_of_a_suite_in_a_file_named_baseline_are_gates_like_others(project: Project, strict: list[str]) -> None:
    project.write_tests(gate_test("brief", BRIEF), name="test_baseline.py")
    project.write_tests(gate_test("other", UNDECIDED))
    project.run()
    release(project)
    project.run("--baseline=main")
    told = {gate: (v["suite"], v["against"]) for gate, v in project.verdicts.items() if v["metric"] == "answer_tokens"}
    assert told == {SECOND: ("baseline", ""), f"{SECOND}#2": ("baseline", "main")}
    assert (project.manifest["baseline"]["new"], project.manifest["baseline"]["missing"]) == ([], [])
    (project.root / "test_baseline.py").unlink()
    result = project.run("--baseline=main", *strict)
    assert project.manifest["baseline"]["missing"] == [SECOND]
    assert result.ret == (pytest.ExitCode.TESTS_FAILED if strict else pytest.ExitCode.OK)


def test_no_secret_of_the_command_line_or_environment_reaches_the_run(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_SERVICE_TOKEN", "open-sesame-42")
    project.write_tests(gate_test("brief", BRIEF))
    project.run("--baseline-store=memory://ann:letmein@there/x?sig=abcdef", "--deselect=open-sesame-42")
    for path in project.run_directory.iterdir():
        for secret in (b"letmein", b"abcdef", b"open-sesame-42"):
            assert secret not in path.read_bytes()
    assert "memory://***@there/x?sig=***" in project.manifest["command"]
