"""A damaged answer cache met by a whole run: told once, computed again, the same verdicts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from project import PASSES, Project, counts, gate_test


def decided(project: Project) -> dict[str, Any]:
    return {gate: (verdict["outcome"], verdict["estimate"]) for gate, verdict in project.verdicts.items()}


def test_a_run_over_a_damaged_cache_tells_of_it_and_comes_to_the_same_verdicts(project: Project) -> None:
    project.write_tests(gate_test("a", PASSES), gate_test("b", PASSES))
    assert project.run().ret == pytest.ExitCode.OK
    before = decided(project)
    cache_dir = Path(os.environ["ASSAY_CACHE_DIR"])
    for file in cache_dir.glob("answers.sqlite*"):
        file.unlink()
    (cache_dir / "answers.sqlite").write_bytes(b"broken" * 1000)

    result = project.run()
    assert result.ret == pytest.ExitCode.OK
    assert counts(result) == {"passed": 2}
    assert result.stdout.str().count("CacheWarning: the answer cache") == 1
    result.stdout.fnmatch_lines(["*answers.sqlite is damaged: *It was set aside as answers.sqlite.broken-*"])
    assert project.manifest["answers"] == {"cached": 0, "computed": 20}
    assert decided(project) == before


def test_a_limit_that_is_no_size_is_told_with_its_remedy(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_CACHE_LIMIT", "lots")
    project.write_tests(gate_test("a", PASSES))
    result = project.run()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*ASSAY_CACHE_LIMIT=lots is not a size*", "*remedy: write a number of GiB*"])
