"""A task that is asked several times, from assay.yaml to stored samples, verdicts and a baseline of another number."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from project import TASK, Project, gate_test

from harness.paths import cache_dir
from harness.runs import load_run
from harness.runs.baselines import promote
from harness.runs.location import Location
from harness.runs.storage import Store

DRAWN = {
    **TASK, "kind": "exact_match", "repeats": 3, "temperature": 0.7, "metrics": [{"contains": "e"}],
    "gates": [{"metric": "answer_tokens", "non_inferior": 1}],
}  # fmt: skip
GATED = gate_test(
    "draws",
    '    gate(compare("pets").metric("pass^3").at_most(0.9))\n'
    '    gate(compare("pets").metric("answer_tokens").non_inferior(margin=1))',
)
TOKENS = "pets/answer_tokens/non_inferior"


@pytest.fixture
def drawn(project: Project) -> Project:
    project.config["tasks"] = {"pets": DRAWN}
    project.write_tests(GATED)
    return project


def noise_of(project: Project, gate: str) -> object:
    return next(v["noise"] for name, v in project.verdicts.items() if name.endswith(gate))


def test_every_answer_is_stored_and_a_baseline_of_as_many_is_held_against_it(drawn: Project) -> None:
    drawn.run().assert_outcomes(passed=1)
    run = load_run(drawn.run_directory)
    samples = run.read_samples(task="pets", role="candidate")
    assert [one.item_id for one in samples[:4]] == ["pet-0#1", "pet-0#2", "pet-0#3", "pet-1#1"]
    assert len(samples) == 30 and {one.cluster for one in samples} == {f"pet-{k}" for k in range(10)}
    assert drawn.manifest["data"]["pets"]["repeats"] == 3
    assert drawn.manifest["data"]["pets"]["temperature"] == 0.7
    assert [v["n"] for v in drawn.document["verdicts"]] == [10, 10]

    promote(run, Store(Location(str(drawn.root / "reports"))))
    drawn.run("--baseline=main")
    assert drawn.verdicts[f"baseline/{TOKENS}"]["outcome"] == "pass"

    drawn.config["tasks"] = {"pets": {**DRAWN, "repeats": 2}}
    drawn.write_tests(GATED.replace("pass^3", "pass^2"))
    drawn.run("--baseline=main")
    second = drawn.verdicts["baseline/pets/pass^2/non_inferior"]
    assert second["outcome"] == "error"
    assert "repeats (3, there 2)" in second["reason"]


def test_measured_noise_stands_beside_the_margin_of_later_runs(drawn: Project) -> None:
    drawn.run().assert_outcomes(passed=1)
    assert noise_of(drawn, TOKENS) is None
    from harness.cli import main

    (drawn.root / "assay.yaml").write_text(json.dumps(drawn.config))
    assert main(["noise", "pets", f"--adapter={drawn.adapter}"]) == 0
    [file] = (cache_dir() / "noise").iterdir()
    document = json.loads(file.read_text())
    document["floors"]["answer_tokens"] = 2.5
    file.write_text(json.dumps(document))
    result = drawn.run()
    result.assert_outcomes(passed=1)
    assert noise_of(drawn, TOKENS) == {
        "floor": 2.5,
        "candidate": document["candidate"],
        "measured": document["measured"],
    }
    told = next(v["reason"] for name, v in drawn.verdicts.items() if name.endswith(TOKENS))
    assert "the margin of 1 is under the noise" in told
    assert "2.500, above the margin" in Path(drawn.run_directory / "report.html").read_text()
