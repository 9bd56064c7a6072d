"""A whole model on trial, by `candidate:` in assay.yaml: measured, named, and asked nothing that only adapters have."""

from __future__ import annotations

import pytest
from project import PASSES, Project, counts, gate_test
from tiny import save_tiny_model

SOUND = """def test_is_whole(model_files, gate):
    from harness.checks import integrity

    gate(integrity.model_is_complete(model_files))
"""
OF_ADAPTERS = """def test_strength(adapter_directory, gate):
    raise AssertionError("it is no adapter")
"""


def test_a_model_is_the_candidate(project: Project) -> None:
    save_tiny_model(project.root / "tuned", seed=7)
    project.adapter = None
    project.config["candidate"] = "tuned"
    project.write_tests(gate_test("compares", PASSES), SOUND, OF_ADAPTERS)
    result = project.run("-rs")
    result.stdout.fnmatch_lines("*: tuned is a model, and no adapter")
    assert "NotOfThisKind" not in result.stdout.str()
    assert result.ret == pytest.ExitCode.OK
    assert counts(result) == {"passed": 2, "skipped": 1}
    manifest = project.manifest
    assert manifest["adapter"]["name"] == "tuned"
    assert manifest["adapter"]["parts"]["weights"] != manifest["model"]["parts"]["weights"]
    assert "skipped" not in manifest or manifest["skipped"] == []
    assert "candidate" in (project.run_directory / "summary.md").read_text()


UNANSWERABLE = """def test_likelihoods(assay):
    from harness.errors import UnanswerableError

    raise UnanswerableError("this server gives no log-probabilities", "another server does")
"""


def test_what_a_server_has_no_means_to_answer_is_skipped_and_told(project: Project) -> None:
    project.write_tests(gate_test("compares", PASSES), UNANSWERABLE)
    result = project.run("-rs")
    assert counts(result) == {"passed": 1, "skipped": 1}
    result.stdout.fnmatch_lines("SKIPPED*test_pets.py:*: this server gives no log-probabilities")
    [skipped] = project.manifest["skipped"]
    assert (skipped["reason"], skipped["suite"]) == ("Skipped: this server gives no log-probabilities", "pets")
    told = "Not measured: pets (1 test), which what serves the model has no means to answer"
    assert told in (project.run_directory / "summary.md").read_text().replace("&#40;", "(").replace("&#41;", ")")
    assert project.document["verdicts"][0]["outcome"] == "pass" and len(project.document["verdicts"]) == 1
