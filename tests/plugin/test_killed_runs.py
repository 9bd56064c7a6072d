"""kill -9 at any moment, then the same command again: a batch is lost at most, and the verdicts are the same."""

from __future__ import annotations

import json
import re
import shutil
import signal
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
import yaml
from project import PASSES, TASK, UNDECIDED, Project, gate_test
from separate import DEADLINE_S, Death, answers_kept, start_pytest

BATCH = 6
TASKS = ("cats", "dogs", "owls")
TOTAL = 2 * BATCH * len(TASKS)

_PLAIN = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest"]

pytestmark = pytest.mark.real_process


@pytest.fixture(scope="module")
def root(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of three tasks, each a batch for the base and one for the candidate, and gates on them."""
    root = tmp_path_factory.mktemp("project")
    config = {"model": str(tiny_model_dir), "tasks": {}}
    for name in TASKS:
        rows = [{"id": f"{name}-{i}", "text": f"{name} number {i}", "pet": ("cat", "dog")[i % 2]} for i in range(BATCH)]
        (root / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        config["tasks"][name] = {**TASK, "data": f"{name}.jsonl"}
    (root / "assay.yaml").write_text(yaml.safe_dump(config))
    (root / "suites").mkdir()
    for name in TASKS:
        body = "".join(gate.replace("pets", name) for gate in (PASSES, UNDECIDED))
        (root / "suites" / f"test_{name}.py").write_text(f"def test_{name}(compare, gate):\n{body}")
    return root


class Run:
    """The same command, again and again, over one cache.

    Args:
        root: a copy of the project is made of it.
    """

    def __init__(self, root: Path, place: Path, adapter: Path) -> None:
        self.root = Path(shutil.copytree(root, place / "project"))
        self.cache_dir = place / "cache"
        self.cache_dir.mkdir()
        self._arguments = ["suites", "--dtype=float32", f"--adapter={adapter}", *_PLAIN]

    def start(self, death: Death | None = None) -> ForkServerProcess:
        return start_pytest(self.root, self.cache_dir, self._arguments, death)

    def until_killed(self, death: Death) -> int:
        """Let it run until it kills itself; how many answers are kept."""
        process = self.start(death)
        process.join(DEADLINE_S)
        assert process.exitcode == -signal.SIGKILL, self.output
        return answers_kept(self.cache_dir)

    def until_done(self) -> None:
        process = self.start()
        process.join(DEADLINE_S)
        assert process.exitcode == pytest.ExitCode.OK, self.output

    @property
    def output(self) -> str:
        return (self.root / "output.txt").read_text()

    @property
    def verdicts(self) -> str:
        """verdicts.json of the only finished run, but for its id and its times."""
        (file,) = self.root.glob("reports/[!.]*/verdicts.json")
        return re.sub(r'"(run|duration_s)": [^,\n]+', r'"\1": ...', file.read_text())

    @property
    def answers(self) -> dict[str, int]:
        """How many came from the cache and how many were computed in the only finished run."""
        (file,) = self.root.glob("reports/[!.]*/manifest.json")
        found: dict[str, int] = json.loads(file.read_text())["answers"]
        return found


@pytest.fixture(scope="module")
def uninterrupted(root: Path, tiny_adapter_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The verdicts of a run that nobody disturbed."""
    run = Run(root, tmp_path_factory.mktemp("uninterrupted"), tiny_adapter_dir)
    run.until_done()
    assert run.answers == {"cached": 0, "computed": TOTAL}
    assert '"outcome": "inconclusive"' in run.verdicts and '"outcome": "pass"' in run.verdicts
    return run.verdicts


def test_killed_before_amid_and_after_storing_a_batch_the_next_run_goes_on_and_comes_to_the_same_verdicts(
    root: Path, uninterrupted: str, tiny_adapter_dir: Path, tmp_path: Path
) -> None:
    run = Run(root, tmp_path, tiny_adapter_dir)
    assert run.until_killed(Death(batch=2, moment="amid")) == BATCH
    assert run.until_killed(Death(batch=2, moment="before")) == 2 * BATCH
    assert run.until_killed(Death(batch=2, moment="after")) == 4 * BATCH
    run.until_done()
    assert run.answers == {"cached": 4 * BATCH, "computed": TOTAL - 4 * BATCH}
    assert run.verdicts == uninterrupted


def test_killed_from_outside_at_whatever_it_is_doing_it_goes_on_from_what_was_kept(
    root: Path, uninterrupted: str, tiny_adapter_dir: Path, tmp_path: Path
) -> None:
    run = Run(root, tmp_path, tiny_adapter_dir)
    process = run.start()
    deadline = time.monotonic() + DEADLINE_S
    while answers_kept(run.cache_dir) < BATCH and process.is_alive() and time.monotonic() < deadline:
        time.sleep(0.002)
    process.kill()
    process.join(DEADLINE_S)
    assert process.exitcode == -signal.SIGKILL, run.output
    kept = answers_kept(run.cache_dir)
    assert kept >= BATCH and kept % BATCH == 0
    run.until_done()
    assert run.answers == {"cached": kept, "computed": TOTAL - kept}
    assert run.verdicts == uninterrupted


def test_told_to_end_it_keeps_what_was_measured_as_an_interrupted_run(project: Project) -> None:
    told = "import os, signal\n\ndef test_told(compare, gate):\n    os.kill(os.getpid(), signal.SIGTERM)\n" + PASSES
    project.write_tests(gate_test("before", PASSES), told, gate_test("after", PASSES))
    result = project.run(subprocess=True)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert project.outcomes == {"test_before": "pass"}
    assert project.manifest["status"] == "interrupted"
