import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.errors import RunError
from harness.records import Estimate, Manifest, Sample, TrainingPoint, Verdict
from harness.runs import Run, RunWriter, list_runs, load_run, new_run_id


def _sample(item: str, answer: str = "y") -> Sample:
    return Sample("t", item, None, "base", "d", "p", 1, answer, None, {"acc": 1.0}, {}, "eos", 1, 1, 0.1, False)


PASS = Verdict("t/acc/at_least", "pass", "good", margin=0.5, estimate=Estimate(0.9, 0.8, float("inf")), n=10)


WORKER = """
import sys
from pathlib import Path
from harness.runs import RunWriter
from harness.records import Sample
writer = RunWriter.open(Path(sys.argv[1]), "r")
for chunk in range(3):
    names = [f"{sys.argv[2]}-{chunk}-{i}" for i in range(5)]
    fields = (None, "base", "d", "p", 1, "y", None, {}, {}, None, 1, 1, 0.1, False)
    writer.add_samples([Sample("t", name, *fields) for name in names])
"""


def _files(path: Path) -> set[str]:
    return {p.name for p in path.iterdir()}


def test_a_finished_run_holds_every_document_and_reads_back(tmp_path: Path) -> None:
    writer = RunWriter.create(tmp_path, "r")
    writer.add_samples([_sample("a"), _sample("a"), _sample("b")])
    training = {"recipe": {"r": 16}, "points": [TrainingPoint(1, loss=float("nan"))], "summary": {}}
    path = writer.finish(Manifest(profile="smoke", status="running"), [PASS], "complete", training)
    assert path == tmp_path / "r"
    assert _files(tmp_path) == {"r"}
    assert _files(path) == {
        "manifest.json", "samples.parquet", "verdicts.json", "training.json", "report.html", "summary.md", "junit.xml"
    }  # fmt: skip
    run = load_run(path)
    assert (run.id, run.status, run.outcome) == ("r", "complete", "pass")
    assert run.verdicts == (PASS,)
    assert run.manifest.profile == "smoke" and run.manifest.started and run.manifest.finished
    assert list(run.samples["item_id"]) == ["a", "b"]
    assert run.samples is run.samples
    assert run.training is not None and run.training["points"][0]["loss"] == "NaN"


def test_the_verdicts_document_follows_its_published_schema(tmp_path: Path) -> None:
    path = RunWriter.create(tmp_path, "r").finish(Manifest(), [PASS], "complete")
    document = json.loads((path / "verdicts.json").read_text())
    assert {k: document[k] for k in ("schema", "run", "status", "outcome", "counts")} == {
        "schema": 2,
        "run": "r",
        "status": "complete",
        "outcome": "pass",
        "counts": {"error": 0, "fail": 0, "inconclusive": 0, "pass": 1},
    }
    assert document["verdicts"][0]["gate"] == "t/acc/at_least"


def test_workers_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    writer = RunWriter.create(tmp_path, "r")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WORKER, str(tmp_path)]
    workers = [subprocess.Popen([*command, str(n)], env=environment) for n in range(3)]
    assert [worker.wait(600) for worker in workers] == [0, 0, 0]
    run = load_run(writer.finish(Manifest(), [PASS], "complete"))
    assert len(set(run.samples["item_id"])) == 45


def test_an_interrupted_run_says_so_in_every_document(tmp_path: Path) -> None:
    writer = RunWriter.create(tmp_path, "r")
    writer.add_samples([_sample("a")])
    path = writer.finish(Manifest(), [PASS], "interrupted")
    assert load_run(path).outcome == "incomplete"
    assert json.loads((path / "manifest.json").read_text())["status"] == "interrupted"
    assert json.loads((path / "verdicts.json").read_text())["outcome"] == "incomplete"
    for name in ("report.html", "summary.md", "junit.xml"):
        assert "interrupted" in (path / name).read_text().lower()


def test_a_killed_run_is_refused_unless_asked_for(tmp_path: Path) -> None:
    writer = RunWriter.create(tmp_path, "r")
    writer.add_samples([_sample("a")])
    for path in (writer.path, tmp_path / "r"):
        with pytest.raises(RunError, match="never finished"):
            load_run(path)
    run = load_run(writer.path, partial=True)
    assert (run.outcome, len(run.samples), run.verdicts) == ("incomplete", 1, ())


def test_a_run_id_cannot_be_taken_twice_or_leave_the_root(tmp_path: Path) -> None:
    RunWriter.create(tmp_path, "r")
    with pytest.raises(RunError, match="started already"):
        RunWriter.create(tmp_path, "r")
    RunWriter.open(tmp_path, "r").finish(Manifest(), [], "complete")
    with pytest.raises(RunError, match="exists already"):
        RunWriter.create(tmp_path, "r")
    for bad in ("../x", "", ".hidden", "a/b", "baselines", "Baselines"):
        with pytest.raises(RunError, match="plain name"):
            RunWriter.create(tmp_path, bad)
    with pytest.raises(RunError, match="no run 'nope'"):
        RunWriter.open(tmp_path, "nope")


FULL_DISK = """
import resource, sys
from pathlib import Path
from harness.errors import RunError
from harness.records import Manifest
from harness.runs import RunWriter
from tests_sample import sample
writer = RunWriter.create(Path(sys.argv[1]), "r")
writer.add_samples([sample("kept")])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    if sys.argv[3] == "add":
        import random
        writer.add_samples([sample(random.Random(0).randbytes(60_000).hex())])
    else:
        writer.finish(Manifest(), [], "complete")
except RunError as error:
    print(error)
    sys.exit(3)
"""


@pytest.mark.parametrize(("limit", "step", "file"), [(20_000, "add", ".parquet"), (10_000, "finish", "report.html")])
def test_a_full_disk_is_explained_and_loses_nothing(tmp_path: Path, limit: int, step: str, file: str) -> None:
    helper = (
        "from harness.records import Sample\n"
        "def sample(item):\n"
        "    return Sample('t', item, None, 'base', 'd', 'p', 1, 'y', None, {}, {}, None, 1, 1, 0.1, False)\n"
    )
    (tmp_path / "tests_sample.py").write_text(helper)
    root = tmp_path / "reports"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    command = [sys.executable, "-c", FULL_DISK, str(root), str(limit), step]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 3, done.stderr
    assert all(part in done.stdout for part in ("cannot write", file, "KiB", "remedy: free"))
    assert str(root / ".r.partial") in done.stdout
    assert not (root / "r").exists()
    assert [p.name for p in (root / ".r.partial").rglob("*.tmp")] == []
    assert load_run(root / ".r.partial", partial=True).samples["item_id"].tolist() == ["kept"]
    finished = RunWriter.open(root, "r").finish(Manifest(), [PASS], "complete")
    assert load_run(finished).samples["item_id"].tolist() == ["kept"]


def test_enospc_when_the_bytes_reach_the_disk_is_the_same_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = RunWriter.create(tmp_path, "r")

    def no_space(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(RunError, match=r"No space left on device\n  remedy: free at least"):
        writer.add_samples([_sample("a")])
    assert list((writer.path / "parts").iterdir()) == []


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    return RunWriter.create(tmp_path, "r").finish(Manifest(), [PASS], "complete")


@pytest.mark.parametrize("name", ["manifest.json", "verdicts.json"])
@pytest.mark.parametrize("content", [None, "", '{"schema": 1, "verd', "[]"])
def test_a_torn_document_is_named(stored: Path, name: str, content: str | None) -> None:
    (stored / name).unlink() if content is None else (stored / name).write_text(content)
    with pytest.raises(RunError, match=name):
        load_run(stored)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"schema": 3}, "schema 3"), ({"verdicts": [{"nope": 1}]}, "malformed verdict"), ({"verdicts": 3}, "not a list")],
)
def test_verdicts_of_another_schema_are_refused(stored: Path, change: dict[str, Any], message: str) -> None:
    path = stored / "verdicts.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(RunError, match=message):
        load_run(stored)


def test_a_manifest_with_a_foreign_status_is_refused(stored: Path) -> None:
    (stored / "manifest.json").write_text('{"status": "running"}')
    with pytest.raises(RunError, match="status 'running'"):
        load_run(stored)


def test_a_run_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no run at"):
        load_run(tmp_path / "none")


def test_one_torn_run_does_not_hide_the_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for day, name in ((2, "a"), (1, "b"), (3, "torn")):
        RunWriter.create(tmp_path, name).finish(Manifest(started=f"2026-01-0{day}"), [], "complete")
    RunWriter.create(tmp_path, "going")
    (tmp_path / "torn" / "verdicts.json").write_text("{")
    runs: list[Run] = list_runs(tmp_path)
    assert [run.id for run in runs] == ["b", "a"]
    assert "torn" in caplog.text
    assert list_runs(tmp_path / "absent") == []


def test_run_ids_are_unique_and_plain() -> None:
    ids = {new_run_id() for _ in range(50)}
    assert len(ids) == 50
    assert all(len(i) == len("20260131T094500Z-3fa9c1") for i in ids)
