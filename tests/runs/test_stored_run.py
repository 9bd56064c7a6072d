"""A run as the last version before verdicts of schema 2 and typed manifests stored it: it opens, is shown, and compares."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.errors import RunError
from harness.records import MANIFEST_SCHEMA, VERDICTS_SCHEMA, Manifest
from harness.report import render_html, render_junit, render_summary
from harness.runs import Run, list_runs, load_run

STORED = Path(__file__).with_name("stored_by_schema_1")
HOSTILE: list[Any] = [None, True, -1, 1e400, "</script>", [{}], {"name": [], "cached": "x", "tasks": {"a": 7}}]


def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((STORED / "manifest.json").read_text())
    return found


def with_manifest(directory: Path, changed: dict[str, Any]) -> Run:
    """The stored run with another manifest."""
    run = Path(shutil.copytree(STORED, directory / "run"))
    (run / "manifest.json").write_text(json.dumps(changed))
    return load_run(run)


def test_every_gate_of_a_stored_run_is_read_and_shown() -> None:
    run = load_run(STORED)
    assert [(verdict.kind, verdict.outcome) for verdict in run.verdicts] == [
        ("holds", "pass"), ("non_inferior", "pass"), ("superior", "inconclusive"), ("at_most", "pass"),
        ("at_most", "fail"), ("at_least", "fail"), ("assertion", "error"), ("assertion", "fail"),
    ]  # fmt: skip
    pages = render_html(run), render_junit(run)
    assert all(verdict.gate in page for verdict in run.verdicts for page in pages)
    assert "20 from the cache, 0 computed" in pages[0] and "Linux x86_64" in pages[0]
    assert "Must not be released" in render_summary(run)
    assert len(run.read_samples(task="pets", role="candidate")) == 10


def test_a_manifest_is_written_as_it_was_stored() -> None:
    stored = document()
    assert json.loads(json.dumps(Manifest.read(stored).to_json())) == stored
    assert stored["schema"] == MANIFEST_SCHEMA


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
@pytest.mark.parametrize("key", sorted(document().keys() - {"run", "status"} | {"baseline", "judge", "sequential"}))
def test_whatever_a_manifest_holds_the_run_opens_and_is_shown(tmp_path: Path, key: str, value: Any) -> None:
    run = with_manifest(tmp_path, {**document(), key: value})
    assert (run.id, run.status, len(run.verdicts)) == (document()["run"], "complete", 8)
    assert "Must not be released" in render_html(run) and render_summary(run) and render_junit(run)


@pytest.mark.parametrize("key", sorted(document().keys() - {"status"}))
def test_a_manifest_may_lack_any_key_but_its_status(tmp_path: Path, key: str) -> None:
    run = with_manifest(tmp_path, {name: value for name, value in document().items() if name != key})
    assert "Must not be released" in render_html(run) and render_summary(run) and render_junit(run)


def test_what_a_later_version_adds_to_a_manifest_is_shown(tmp_path: Path) -> None:
    page = render_html(with_manifest(tmp_path, {**document(), "moon": {"phase": "waxing"}, "data": "all of it"}))
    assert re.search(r"<caption>moon</caption>", page) and "waxing" in page
    assert "all of it" in page  # of a wrong type, and shown as it is all the same


def with_row(directory: Path, row: object, schema: int) -> Path:
    """The stored run with one more verdict."""
    run = Path(shutil.copytree(STORED, directory / "run"))
    stored = json.loads((run / "verdicts.json").read_text())
    stored = {**stored, "schema": schema, "verdicts": [*stored["verdicts"], row]}
    (run / "verdicts.json").write_text(json.dumps(stored))
    return run


ROW: dict[str, Any] = {"gate": "g", "outcome": "pass", "reason": "r"}
MALFORMED: list[tuple[object, str]] = [
    ({**ROW, "rule": 3}, "rule is 3 (int)"),
    ({**ROW, "gate": True}, "gate is True (bool)"),
    ({**ROW, "test": 3}, "test is 3 (int)"),
    ({**ROW, "reason": None}, "reason is None"),
    ({**ROW, "details": 3}, "details is 3 (int)"),
    ({**ROW, "estimate": 3}, "estimate is 3 (int)"),
    ({**ROW, "base": {"low": 0.1}}, "base.value is missing"),
    ({**ROW, "margin": "wide"}, "margin is 'wide' (str)"),
    ({**ROW, "outcome": "x"}, "outcome is 'x' (str)"),
    ({**ROW, "outcome": ["pass"]}, "outcome is ['pass'] (list)"),
    ({"outcome": "pass", "reason": "r"}, "gate is missing"),
    ([ROW], "the verdict is [{"),
    (True, "the verdict is True (bool)"),
]
OF_SCHEMA_1: list[tuple[object, str]] = [
    ({**ROW, "details": {"sequential": value}}, "details.sequential is ") for value in (3, [], {"of": "all"})
]


@pytest.mark.parametrize(
    ("row", "said", "schema"),
    [(*case, schema) for case in MALFORMED for schema in (1, VERDICTS_SCHEMA)] + [(*case, 1) for case in OF_SCHEMA_1],
)
def test_a_malformed_verdict_is_named_and_its_run_left_out_of_the_list(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, row: object, said: str, schema: int
) -> None:
    run = with_row(tmp_path, row, schema)
    with pytest.raises(RunError) as caught:
        load_run(run)
    assert f"{run / 'verdicts.json'} has a malformed verdict, verdicts[8]: {said}" in caught.value.problem
    assert caught.value.remedy == "restore it or make the run again"
    whole = shutil.copytree(STORED, tmp_path / "whole")
    assert [found.path for found in list_runs(tmp_path)] == [whole]
    assert said in caplog.text


@pytest.mark.parametrize("claimed", ["../../elsewhere", "/etc", "$(id)", "a b"])
def test_a_run_that_calls_itself_a_path_is_refused(tmp_path: Path, claimed: str) -> None:
    run = Path(shutil.copytree(STORED, tmp_path / "run"))
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps({**manifest, "run": claimed}))
    with pytest.raises(RunError, match="which is no run's id"):
        load_run(run)


@pytest.mark.parametrize("rows", [None, 3, {"gate": "g"}], ids=repr)
def test_verdicts_that_are_no_list_are_refused(tmp_path: Path, rows: object) -> None:
    run = Path(shutil.copytree(STORED, tmp_path / "run"))
    (run / "verdicts.json").write_text(json.dumps({"schema": VERDICTS_SCHEMA, "verdicts": rows}))
    with pytest.raises(RunError, match=r"verdicts\.json: verdicts is .*, not a list"):
        load_run(run)


def test_what_a_later_version_adds_to_a_verdict_is_ignored(tmp_path: Path) -> None:
    row = {**ROW, "moon": 3, "details": {"sequential": 3}, "estimate": {"value": "-Infinity", "phase": 1}}
    verdict = load_run(with_row(tmp_path, row, VERDICTS_SCHEMA)).verdicts[-1]
    assert (verdict.gate, verdict.details) == ("g", {"sequential": 3})
    assert verdict.estimate is not None and verdict.estimate.value == float("-inf")


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ({"points": 5}, "points is 5"),
        ({"points": ["x"]}, r"points\[0\] is 'x'"),
        ({"points": [{"loss": 1.0}]}, r"points\[0\] is .*no point of a curve"),
        ({"points": [{"step": 1}, {"step": "late"}]}, r"points\[1\].step is 'late'"),
        ({"points": [{"step": 1, "loss": [2]}]}, r"points\[0\].loss is \[2\]"),
        ({"points": [{"step": 10**400}]}, r"points\[0\].step is 1000"),
        ({"summary": {"best_step": {}}}, "summary.best_step is"),
    ],
)
def test_a_training_log_of_wrong_types_is_told_by_field_and_file(
    tmp_path: Path, training: dict[str, Any], said: str
) -> None:
    run = Path(shutil.copytree(STORED, tmp_path / "run"))
    (run / "training.json").write_text(json.dumps(training))
    with pytest.raises(RunError, match=rf"training\.json: {said}"):
        load_run(run)
