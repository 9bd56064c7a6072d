"""The CI workflow that `assay init` writes: it parses, gates, keeps its answers, and has one comment a pull request."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from made_runs import changed, first, make_run

import harness.scaffold
from harness.records import Verdict
from harness.report import MARKER, render_summary

WORKFLOW = Path(harness.scaffold.__file__).with_name("workflow.yml")
FAKE_GITHUB = """
const fs = require("fs");
const [script, known] = [fs.readFileSync(0, "utf8"), JSON.parse(process.argv[1])];
const calls = [];
const called = (name) => [name, async (given) => calls.push([name, given])];
const issues = Object.fromEntries(["listComments", "createComment", "updateComment"].map(called));
const github = { rest: { issues }, paginate: async () => known };
const context = { repo: { owner: "me", repo: "it" }, issue: { number: 7 } };
const core = { warning: (text) => calls.push(["warning", text]) };
const run = new (async () => {}).constructor("github", "context", "core", "require", script);
run(github, context, core, require).then(() => console.log(JSON.stringify(calls)));
"""


@pytest.fixture(scope="module")
def steps() -> list[dict[str, Any]]:
    """The steps of the one job."""
    document = yaml.safe_load(WORKFLOW.read_text())
    [job] = document["jobs"].values()
    assert document["permissions"] == {"contents": "read", "pull-requests": "write"}
    return list(job["steps"])


def test_only_official_actions_run_each_at_a_fixed_version(steps: list[dict[str, Any]]) -> None:
    used = [step["uses"] for step in steps if "uses" in step]
    assert {"actions/upload-artifact@v4", "actions/github-script@v7"} <= set(used)
    for action in used:
        owner, _, version = action.partition("/")[0], *action.rpartition("@")[1:]
        assert owner == "actions" and version[0] == "v"


def test_a_failed_gate_keeps_its_answers_and_report_and_fails_the_job(steps: list[dict[str, Any]]) -> None:
    gate = next(i for i, step in enumerate(steps) if "pytest suites/" in step.get("run", ""))
    assert "continue-on-error" not in steps[gate] and "||" not in steps[gate]["run"]
    assert all(step["if"].startswith("always()") for step in steps[gate + 1 :])
    restored, saved = (
        next(s for s in steps if s.get("uses", "").startswith(f"actions/cache/{w}")) for w in ("restore", "save")
    )
    assert steps.index(restored) < gate < steps.index(saved)
    assert (restored["with"]["path"], restored["with"]["key"]) == (saved["with"]["path"], saved["with"]["key"])


@pytest.mark.parametrize(
    ("adapter", "baseline", "given"),
    [
        ("", "", ["--profile=smoke"]),
        ("x", "main", ["--adapter=x", "--profile=smoke", "--baseline=main"]),
        ("x y", "a b", ["--adapter=x y", "--profile=smoke", "--baseline=a b"]),
    ],
)
def test_adapter_and_baseline_are_passed_where_they_are_named_and_else_the_configuration_decides(
    steps: list[dict[str, Any]], tmp_path: Path, adapter: str, baseline: str, given: list[str]
) -> None:
    command = next(step["run"] for step in steps if "pytest suites/" in step.get("run", ""))
    stand_in = tmp_path / "pytest"
    stand_in.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    stand_in.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    environment = {"PATH": path, "ADAPTER": adapter, "PROFILE": "smoke", "BASELINE": baseline}
    shown = subprocess.run(["bash", "-ec", command], env=environment, capture_output=True, text=True, check=True).stdout
    assert shown.splitlines() == ["suites/", *given]
    assert "recipe:" not in WORKFLOW.read_text().replace("recipe:NAME", "").replace("`recipe:`", "")


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node to run the step's script")
@pytest.mark.parametrize(
    ("known", "call"),
    [
        ([], ["createComment", {"owner": "me", "repo": "it", "issue_number": 7}]),
        ([{"id": 1, "body": f"see {MARKER}"}], ["createComment", {"owner": "me", "repo": "it", "issue_number": 7}]),
        (
            [{"id": 1, "body": "hello"}, {"id": 2, "body": f"{MARKER}\nold"}],
            ["updateComment", {"owner": "me", "repo": "it", "comment_id": 2}],
        ),
    ],
)
def test_the_newest_summary_becomes_one_comment_updated_in_place(
    steps: list[dict[str, Any]], tmp_path: Path, known: list[dict[str, Any]], call: list[Any]
) -> None:
    for run, text in (("20260101-a", "older"), ("20260102-b", "newer"), ("baselines", "")):
        (tmp_path / "reports" / run).mkdir(parents=True)
        if text:
            (tmp_path / "reports" / run / "summary.md").write_text(f"{MARKER}\n{text}\n")
    [made] = run_comment_step(steps, tmp_path, known)
    name, given = made
    assert (name, given.pop("body")) == (call[0], f"{MARKER}\nnewer\n")
    assert given == call[1]


def test_the_longest_summary_fits_a_comment(tmp_path: Path) -> None:
    long = "|" * 5_000
    manifest = {**changed(), "profile": long, "machine": {"platform": long}, "precision": {"dtype": long}}
    manifest["baseline"] = {"name": long, "run": long, "new": [long], "missing": [long]}
    for role in ("model", "adapter"):
        manifest[role] = {"name": long, "digest": long, "recipe": long}
    gates = [Verdict(long, "fail", long, rule=long) for _ in range(100)]
    summary = render_summary(make_run(tmp_path, "r", first(50), manifest=manifest, extra=gates))
    assert summary.startswith(MARKER)
    assert "more gates are in the report" in summary
    assert len(summary) < 65_536


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node to run the step's script")
def test_without_a_run_there_is_a_warning_and_no_comment(steps: list[dict[str, Any]], tmp_path: Path) -> None:
    assert [name for name, _ in run_comment_step(steps, tmp_path, [])] == ["warning"]


def run_comment_step(steps: list[dict[str, Any]], directory: Path, known: list[dict[str, Any]]) -> list[list[Any]]:
    """What the step asks of GitHub: name and arguments of each call."""
    script = next(step["with"]["script"] for step in steps if step.get("uses", "").startswith("actions/github-script"))
    node = ["node", "-e", FAKE_GITHUB, json.dumps(known)]
    shown = subprocess.run(node, input=script, cwd=directory, capture_output=True, text=True, check=True).stdout
    calls: list[list[Any]] = json.loads(shown)
    return calls
