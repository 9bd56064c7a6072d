"""Verdicts as version 1 wrote them say after the upgrade what the same gates say now."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from gate_zoo import gates

from harness.gates import Gateable
from harness.records import Manifest, Verdict
from harness.runs import load_run
from harness.runs.gate_names import with_unique_names
from harness.runs.upgrade import upgraded
from harness.runs.writer import RunWriter

STORED: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("verdicts_schema_1.json").read_text())
"""Written by the last version of schema 1, of the gates in `gate_zoo`; of their details only `sequential`."""
GATES = gates()


@pytest.mark.parametrize("name", STORED)
def test_an_old_verdict_means_what_its_gate_says_now(name: str) -> None:
    gate: Gateable = GATES[name]
    [now] = with_unique_names([gate.decide()])
    old = upgraded(STORED[name])
    for field in fields(Verdict):
        if field.name not in ("details", "estimate", "base", "candidate", "minimum_detectable_effect"):
            assert (field.name, getattr(old, field.name)) == (field.name, getattr(now, field.name))
    for one, other in ((old.estimate, now.estimate), (old.base, now.base), (old.candidate, now.candidate)):
        assert (one is None) == (other is None)
        assert one is None or other is None or one.ends == pytest.approx(other.ends)
    assert old.minimum_detectable_effect == (
        None if now.minimum_detectable_effect is None else pytest.approx(now.minimum_detectable_effect)
    )


def test_every_kind_of_gate_is_among_them() -> None:
    assert GATES.keys() == STORED.keys()


def test_a_name_of_schema_1_is_told_from_its_test() -> None:
    bare, test = STORED["kept"]["gate"], "suites/test_s.py::test_kept[a]"
    for gate in (bare, f"{bare} (test_kept[a])", f"{bare} ({test})"):
        assert upgraded({**STORED["kept"], "gate": gate, "test": test}).name == bare


@pytest.mark.parametrize(
    ("rule", "outcome", "kind"),
    [
        ("is measured", "fail", "is_measured"),
        ("assertion", "fail", "assertion"),
        ("could not be measured", "error", "assertion"),
    ],
)
def test_what_no_gate_decided_keeps_its_kind(rule: str, outcome: str, kind: str) -> None:
    row = {"gate": "g", "outcome": outcome, "reason": "", "rule": rule}
    assert upgraded(row) == Verdict("g", outcome, "", name="g", kind=kind, rule=rule)  # type: ignore[arg-type]


def test_a_run_stored_before_opens(tmp_path: Path) -> None:
    path = RunWriter.create(tmp_path, "r").finish(Manifest(), [], "complete")
    document = json.loads((path / "verdicts.json").read_text())
    rows = [{**row, "margin": "Infinity"} if name == "at most" else row for name, row in STORED.items()]
    (path / "verdicts.json").write_text(json.dumps({**document, "schema": 1, "verdicts": rows}))
    found = {verdict.reason: verdict for verdict in load_run(path).verdicts}
    assert len(found) > 30
    limit = found[STORED["at most"]["reason"]].limit
    assert limit is not None and limit.value == float("inf")
    assert found[STORED["at floor"]["reason"]].at_floor


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    verdicts = with_unique_names([replace(gate.decide(), test=name) for name, gate in GATES.items()])
    path = RunWriter.create(tmp_path, "r").finish(Manifest(), verdicts, "complete")
    read = load_run(path).verdicts
    assert [replace(v, details={}) for v in read] == [replace(v, details={}) for v in verdicts]
