"""A run of the last version before verdicts of schema 2 as the baseline of one made now, and `assay compare` on the two."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from project import Project, gate_test

from harness.cli import main
from harness.runs import load_run
from harness.runs.baselines import promote
from harness.runs.location import Location
from harness.runs.storage import Store

STORED = Path(__file__).parents[1] / "runs" / "stored_by_schema_1"

# the gates of the stored run, but for the two that were no good then either
BODIES = {
    "brief": '    gate(compare("pets").metric("answer_tokens").non_inferior(1))\n',
    "ends": '    gate(compare("pets").metric("stops_with_eos").superior())\n',
    "short": '    gate(compare("pets").metric("answer_tokens").at_most(4))\n',
    "shorter": '    gate(compare("pets").metric("answer_tokens").at_most(3))\n',
    "often": '    gate(compare("pets").metric("stops_with_eos").at_least(0.5))\n',
}


def test_a_run_stored_by_an_older_version_serves_as_baseline(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = load_run(STORED).id
    old = load_run(Path(shutil.copytree(STORED, project.root / "reports" / name)))
    promote(old, Store(Location(str(project.root / "reports"))), force="released before there was a gate")
    project.write_tests(*(gate_test(name, body) for name, body in BODIES.items()))
    result = project.run("--baseline=main")
    result.stdout.fnmatch_lines(["last runs: pets, * now *"])
    against = {gate: v["outcome"] for gate, v in project.verdicts.items() if v["suite"] == "baseline"}
    assert against.pop("baseline/same_base") != "fail"  # the digests are those of the machine that stored the run
    assert against == {
        "baseline/pets/answer_tokens/non_inferior": "pass",
        "baseline/pets/stops_with_eos/non_inferior": "inconclusive",
    }
    told = project.manifest["baseline"]
    assert (told["name"], told["run"], told["adapter"], told["new"]) == ("main", name, "adapter", [])
    assert told["missing"] == ["pets/test_misspelt", "pets/test_plain", "pets/whole"]

    monkeypatch.chdir(project.root)
    capsys.readouterr()
    assert main(["compare", "main", project.run_directory.name, "--html", "compared.html"]) == 0
    printed = capsys.readouterr().out
    assert "do not compare" not in printed
    assert printed.endswith("No regression against main\nreport: compared.html\n")
    assert "Missing in B: 3 gates (pets/" in printed
    assert "0.000 [0.000, 0.000]" in printed
    assert "Missing in B: 3 gates" in (project.root / "compared.html").read_text()
