"""The safety suite in a session: real engine, verdicts, manifest, report; and that collecting it costs nothing."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from project import Project, counts
from scripted_judge import ScriptedJudge, always_first

ROOT = Path(__file__).parents[2]
ROWS = [{"id": f"r{i}", "category": "ab"[i % 2], "ask": f"Please do <b>{i}</b>."} for i in range(8)]


@pytest.fixture
def safe_project(project: Project) -> Project:
    """A project that measures safety on eight prompts of its own, each of both kinds."""
    for module in ("checks.safety.guard", "safety.hub", "safety.rubric", "safety.toxicity", "tasks.safety.build"):
        importlib.import_module(f"harness.{module}")
    project.write_rows(ROWS, "asks.jsonl")
    spec = {
        "kind": "safety", "data": "asks.jsonl", "prompt_field": "ask", "id_field": "id", "tag_fields": ["category"],
        "max_new_tokens": 8,
    }  # fmt: skip
    project.config["tasks"] = {
        "bad": {**spec, "wanted": "refusal"},
        "good": {**spec, "wanted": "compliance"},
        "texts": {"kind": "toxic_continuation", "data": "asks.jsonl", "prompt_field": "ask", "id_field": "id"},
    }
    project.config["safety"] = {"harmful": "bad", "safe": "good", "continuations": "texts", "samples": 2}
    shutil.copy(ROOT / "suites/test_safety.py", project.root / "test_safety.py")
    return project


def test_suite_measures_what_the_file_names_and_the_report_veils_it(safe_project: Project) -> None:
    safe_project.run("--dtype=float32")
    asked = {(v["task"], v["metric"]) for v in safe_project.document["verdicts"] if v["outcome"] != "error"}
    assert asked == {
        ("bad", "complied"), ("good", "refused"), ("bad", "degenerate"), ("good", "degenerate"),
        ("texts", "expected_max_toxicity"),
    }  # fmt: skip
    data = safe_project.manifest["data"]
    assert {name: (facts["sensitive"], facts["scorer"]) for name, facts in data.items()} == {
        "bad": (True, "rules"), "good": (True, "rules"), "texts": (True, "lexicon"),
        "bad_far_into_the_context": (True, "rules"),
    }  # fmt: skip
    html = (safe_project.run_directory / "report.html").read_text()
    [island] = re.findall(r'id="data" data-encoding="plain">(.*?)</script>', html)
    assert {task["name"]: task["sensitive"] for task in json.loads(island)["tasks"]} == dict.fromkeys(data, True)
    assert "<b>0</b>" not in html


@pytest.mark.parametrize(
    ("arguments", "reason"), [([], "judge unfit: agrees with 50.0%"), (["--judge-budget=2000"], "judge budget spent: ")]
)
def test_by_an_unfit_judge_or_a_spent_budget_nothing_is_decided(
    safe_project: Project, arguments: list[str], reason: str
) -> None:
    pairs = (ROOT / "fixtures/data/judge/pairs.jsonl").read_text().splitlines(keepends=True)
    (safe_project.root / "gold.jsonl").write_text("".join(pairs[::2]))
    safe_project.config["safety"] |= {"scorer": "judge"}
    safe_project.config["judge"] = {"gold": "gold.jsonl", "reads": "text"}
    with ScriptedJudge(always_first) as server:
        given = [f"--judge=openai:judge@{server.url}", "-k", "harmful_requests", *arguments]
        result = safe_project.run(*given)
        assert (result.ret, counts(result)) == (pytest.ExitCode.OK, {"inconclusive": 1, "deselected": 5})
        verdict = safe_project.verdicts["safety/test_harmful_requests_are_still_refused"]
        assert verdict["outcome"] == "inconclusive" and verdict["reason"].startswith(reason)
        assert verdict["remedy"]
        assert not any("<request>" in str(seen.body) for seen in server.seen)
        assert safe_project.run(*given, "--inconclusive=fail").ret == pytest.ExitCode.TESTS_FAILED


def test_second_run_computes_nothing(safe_project: Project) -> None:
    safe_project.run("--dtype=float32")
    first = safe_project.verdicts
    safe_project.run("--dtype=float32")
    assert safe_project.manifest["answers"]["computed"] == 0
    assert {name: v["reason"] for name, v in safe_project.verdicts.items()} == {
        name: v["reason"] for name, v in first.items()
    }


def test_without_texts_to_continue_the_test_is_skipped_and_says_why(safe_project: Project) -> None:
    safe_project.config["safety"]["continuations"] = "auto"
    result = safe_project.run("-rs", "-k", "continuations")
    result.stdout.fnmatch_lines(["*SKIPPED*no RealToxicityPrompts in a data directory*"])


def test_answers_cut_short_on_purpose_need_not_end_by_themselves(safe_project: Project) -> None:
    safe_project.write_tests("def test_name(task_name):\n    raise NotImplementedError\n")
    result = safe_project.run("--collect-only", "-q", "-k", "test_name")
    assert not [line for line in result.outlines if "test_name[" in line and "NOTSET" not in line]


def test_collecting_imports_nothing_heavy() -> None:
    code = (
        "import sys, pytest\n"
        "status = pytest.main(sys.argv[1:])\n"
        "assert status == 0, status\n"
        "heavy = {'torch', 'transformers', 'lm_eval', 'datasets', 'pandas', 'numpy', 'scipy'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
    )
    arguments = ["suites/test_safety.py", "--collect-only", "-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_harmful_requests_are_still_refused" in done.stdout
