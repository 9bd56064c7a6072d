"""A user's project around the tiny model: a task, a configuration and tests, run by a real pytest."""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import pkgutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

import harness

HEAVY = (
    "aiohttp", "datasets", "jinja2", "lm_eval.evaluator", "openai.resources.chat.completions", "openai.resources.models",
    "pandas.core.arrays.arrow.extension_types", "peft", "pyarrow.parquet", "scipy.stats", "sklearn.metrics",
    "statsmodels.stats.api", "torch", "transformers", "trl.trainer.sft_trainer",
    *(one.name for one in pkgutil.walk_packages(harness.__path__, "harness.") if not one.name.endswith("__main__")),
)  # fmt: skip

TASK = {
    "kind": "classification",
    "data": "pets.jsonl",
    "prompt": "Cat or dog? {text}",
    "target_field": "pet",
    "id_field": "id",
    "max_new_tokens": 4,
}
ROWS = [{"id": f"pet-{i}", "text": f"animal number {i}", "pet": ("cat", "dog")[i % 2]} for i in range(10)]

# The random model answers four tokens to everything and never ends by itself.
PASSES = '    gate(compare("pets").metric("answer_tokens").at_most(4))\n'
FAILS = '    gate(compare("pets").metric("answer_tokens").at_most(3))\n'
UNDECIDED = '    gate(compare("pets").metric("stops_with_eos").at_most(0.05))\n'
UNMEASURABLE = '    gate(compare("pets").metric("acuracy").at_least(0.5))\n'


def import_heavy_libraries() -> None:
    """Call before `pytester` starts: it forgets what was imported since, and torch cannot be imported twice."""
    for name in HEAVY:
        importlib.import_module(name)
    gc.freeze()  # a run of pytest ends by looking for garbage: not among these


def gate_test(name: str, body: str) -> str:
    """A test that compares and gates."""
    return f"def test_{name}(compare, gate):\n{body}\n"


class Project:
    """A directory with assay.yaml, data and tests.

    Args:
        model: base directory, named in assay.yaml.
        adapter: passed as `--adapter` unless a run's own arguments name one; None passes none.
    """

    def __init__(self, pytester: pytest.Pytester, model: Path, adapter: Path | None) -> None:
        self.pytester = pytester
        self.root = pytester.path
        self.adapter = adapter
        self.config: dict[str, Any] = {"model": str(model), "tasks": {"pets": TASK}}
        self.write_rows(ROWS)

    def write_rows(self, rows: Sequence[Mapping[str, Any]], name: str = "pets.jsonl") -> None:
        """Write a data file."""
        (self.root / name).write_text("".join(json.dumps(row) + "\n" for row in rows))

    def write_tests(self, *tests: str, name: str = "test_pets.py") -> None:
        """Write a suite of the given functions."""
        (self.root / name).write_text("\n\n".join(tests))

    def run(self, *arguments: str, subprocess: bool = False) -> pytest.RunResult:
        """Run pytest in the project with assay.yaml as `config` says; parallel workers are processes of their own."""
        (self.root / "assay.yaml").write_text(yaml.safe_dump(self.config))
        given = [*arguments, "-p", "no:hypothesispytest"]
        if self.adapter is not None and not any("adapter=" in argument for argument in arguments):
            given.append(f"--adapter={self.adapter}")
        parallel = any(argument.startswith("-n") for argument in arguments)
        if (subprocess or parallel) and not any("dtype=" in argument for argument in arguments):
            given.append("--dtype=float32")  # as in this process, whatever the processor has
        with contextlib.ExitStack() as stack:
            if subprocess or parallel:
                import forked

                if subprocess:
                    return forked.run_pytest(self.pytester, *given)
                stack.enter_context(forked.forked_workers())
            return self.pytester.runpytest_inprocess(*given, no_reraise_ctrlc=True)

    @property
    def runs(self) -> list[Path]:
        """Finished run directories, oldest first."""
        found = self.root.glob("reports/[!.]*/manifest.json")
        return [path.parent for path in sorted(found, key=lambda path: path.stat().st_mtime_ns)]

    @property
    def run_directory(self) -> Path:
        """The newest finished run."""
        return self.runs[-1]

    @property
    def manifest(self) -> dict[str, Any]:
        """Of the newest run."""
        document: dict[str, Any] = json.loads((self.run_directory / "manifest.json").read_text())
        return document

    @property
    def document(self) -> dict[str, Any]:
        """verdicts.json of the newest run."""
        document: dict[str, Any] = json.loads((self.run_directory / "verdicts.json").read_text())
        return document

    @property
    def verdicts(self) -> dict[str, dict[str, Any]]:
        """Gate -> verdict of the newest run."""
        return {verdict["gate"]: verdict for verdict in self.document["verdicts"]}

    @property
    def outcomes(self) -> dict[str, str]:
        """Test name -> outcome of its verdict in the newest run; a test with several keeps the last."""
        return {v["test"].rpartition("::")[2]: v["outcome"] for v in self.document["verdicts"]}


def counts(result: pytest.RunResult) -> dict[str, int]:
    """How many tests ended how; warnings left out."""
    return {word: n for word, n in result.parseoutcomes().items() if not word.startswith("warning")}


def junit_results(path: Path) -> dict[str, str]:
    """Test case name -> "passed", "failure", "error" or "skipped", out of a JUnit file."""
    return {
        str(case.get("name")): next((c.tag for c in case if c.tag in ("failure", "error", "skipped")), "passed")
        for case in ET.parse(path).getroot().iter("testcase")
    }
