"""A broken adapter is not measured any further, unless the user wants it to be."""

from __future__ import annotations

import json
import os
import re
from datetime import datetime
from pathlib import Path

import pytest
from project import FAILS, PASSES, Project, counts, gate_test

from harness.paths import cache_dir

_CHECK = """
import pytest
from harness.gates import Check

pytestmark = pytest.mark.integrity

def test_holds(assay, gate):
    gate(Check("sound", holds=True, reason="it is sound"))

def test_broken(assay, gate):
    gate(Check("broken", holds={holds}, reason="it is what it is", remedy="mend it"))
"""


_ONCE_INTEGRITY_IS_TOLD = """
    import os, pathlib, time
    deadline = time.monotonic() + 120
    while not any(pathlib.Path(os.environ["ASSAY_CACHE_DIR"], "integrity").glob("*")) and time.monotonic() < deadline:
        time.sleep(0.01)
"""


def integrity(project: Project, *, holds: bool, name: str = "test_integrity.py") -> None:
    project.write_tests(_CHECK.format(holds=holds), name=name)


def test_a_failed_integrity_gate_skips_what_measures_and_says_why(project: Project) -> None:
    integrity(project, holds=False)
    project.write_tests(gate_test("passes", PASSES), "def test_foreign():\n    pass\n")
    result = project.run("-rs")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert counts(result) == {"failed": 1, "passed": 2, "skipped": 1}
    result.stdout.fnmatch_lines(["*SKIPPED*integrity failed: integrity/broken (--keep-going measures on)*"])
    assert project.outcomes == {"test_holds": "pass", "test_broken": "fail"}
    [skipped] = project.manifest["skipped"]
    assert skipped["test"] == "test_pets.py::test_passes"
    assert "integrity/broken" in skipped["reason"]
    assert (skipped["spared_by"], skipped["suite"]) == ("integrity/broken", "pets")
    result.stdout.fnmatch_lines(
        ["not measured: pets (1 test), because integrity/broken failed; --keep-going measures on"]
    )
    assert project.manifest["answers"] == {"cached": 0, "computed": 0}
    started, finished = (datetime.fromisoformat(project.manifest[key]) for key in ("started", "finished"))
    assert (finished - started).total_seconds() >= project.manifest["duration_s"] - 2  # stamped in whole seconds


def test_a_renamed_integrity_suite_keeps_its_guard_and_its_place(project: Project) -> None:
    integrity(project, holds=False, name="test_zzz_is_it_sound.py")
    project.write_tests(gate_test("passes", PASSES))
    result = project.run("-rs")
    assert counts(result) == {"failed": 1, "passed": 1, "skipped": 1}
    result.stdout.fnmatch_lines(["*SKIPPED*integrity failed: zzz_is_it_sound/broken*"])


def test_a_suite_copied_before_there_were_markers_is_known_by_its_name_and_told_so(project: Project) -> None:
    unmarked = _CHECK.format(holds=False).replace("pytestmark", "_")
    project.write_tests(unmarked, name="test_integrity.py")
    project.write_tests(gate_test("passes", PASSES))
    result = project.run()
    assert counts(result) == {"failed": 1, "passed": 1, "skipped": 1}
    result.stdout.fnmatch_lines(
        ["*test_integrity.py is taken for the integrity suite by its name*pytest.mark.integrity*"]
    )


def test_suites_are_chosen_by_their_markers(project: Project) -> None:
    integrity(project, holds=True)
    safe = "import pytest\npytestmark = [pytest.mark.safety]\n\n" + gate_test("passes", PASSES)
    project.write_tests(safe, name="test_ours.py")
    for chosen, expected in (("safety", 1), ("not safety", 2), ("integrity or safety", 3)):
        assert counts(project.run("-m", chosen, "--strict-markers", "-W", "error"))["passed"] == expected


def test_an_integrity_gate_that_cannot_be_measured_skips_as_well(project: Project) -> None:
    body = "from harness.errors import AdapterError\ndef test_broken(gate):\n    raise AdapterError('it cannot be read', '')\n"
    project.write_tests(body, name="test_integrity.py")
    project.write_tests(gate_test("passes", PASSES))
    assert counts(project.run()) == {"errors": 1, "skipped": 1}


@pytest.mark.parametrize("how", ["option", "alias", "ini"])
def test_it_goes_on_where_told_to(project: Project, how: str) -> None:
    integrity(project, holds=False)
    project.write_tests(gate_test("passes", PASSES))
    if how == "ini":
        (project.root / "pytest.ini").write_text("[pytest]\nassay_keep_going = true\n")
    options = {"option": ["--keep-going"], "alias": ["--assay-keep-going"], "ini": []}[how]
    assert counts(project.run(*options)) == {"failed": 1, "passed": 2}


def test_sound_integrity_lets_all_others_run_whatever_they_say_of_each_other(project: Project) -> None:
    integrity(project, holds=True)
    project.write_tests(gate_test("fails", FAILS), gate_test("passes", PASSES))
    assert counts(project.run()) == {"failed": 1, "passed": 3}


def test_without_the_integrity_suite_nothing_is_skipped(project: Project) -> None:
    integrity(project, holds=False)
    project.write_tests(gate_test("passes", PASSES))
    assert counts(project.run("-k", "passes")) == {"passed": 1, "deselected": 2}
    assert counts(project.run("test_pets.py")) == {"passed": 1}


def test_last_failed_runs_the_gate_that_failed_and_skips_no_other_by_memory(project: Project) -> None:
    integrity(project, holds=False)
    project.write_tests(gate_test("fails", FAILS))
    assert counts(project.run("--keep-going")) == {"failed": 2, "passed": 1}
    (project.root / "test_integrity.py").write_text(_CHECK.format(holds=True))
    assert counts(project.run("--lf", "--keep-going"))["passed"] == 1
    assert counts(project.run("--lf")) == {"failed": 1}


def test_parallel_workers_hear_of_it(project: Project) -> None:
    """Integrity sorts first: of the other suite no test is spared that has begun by then, but all that come later are."""
    integrity(project, holds=False)
    project.write_tests(*(gate_test(f"number_{n}", _ONCE_INTEGRITY_IS_TOLD + PASSES) for n in range(8)))
    result = project.run("-n2", "--maxschedchunk=1")
    found = counts(result)
    assert found["failed"] == 1
    assert found["skipped"] >= 4
    assert [line for line in result.outlines if re.fullmatch(r"1 task, about 20 answers, none cached.*", line)]
    assert result.stdout.str().count("1 task, about ") == 1  # though each worker could say it
    assert not any(note for kind in ("integrity", "forecast") for note in (cache_dir() / kind).glob("*"))
    assert Path(os.environ["ASSAY_CACHE_DIR"]) == cache_dir()
    assert json.loads((project.run_directory / "manifest.json").read_text())["skipped"]
