"""The wheel holds all that an installed package needs, and an installed package writes it out."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from functools import partial
from pathlib import Path

import forked
import pytest

ROOT = Path(__file__).parents[2]
WRITTEN = ("suites", "fixtures", "assay.yaml")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the wheel's contents, as an installer lays them out."""
    pytest.importorskip("hatchling", reason="the wheel is built by hatchling, of the dev extra")
    built, site = tmp_path_factory.mktemp("built"), tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(built)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    [wheel] = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def assay(site: Path, directory: Path, *commands: str) -> str:
    """What `assay` of the wheel prints for these commands."""
    ended = forked.run(partial(forked.assay, commands), directory, site=site)
    assert ended.code == 0, ended
    return ended.output


def tracked(*paths: str) -> set[Path]:
    """Files under these paths that are part of the project."""
    found = (one for path in paths for one in ([ROOT / path] if (ROOT / path).is_file() else (ROOT / path).rglob("*")))
    return {path.relative_to(ROOT) for path in found if path.is_file() and "__pycache__" not in path.parts}


def test_every_file_of_the_package_is_in_it(site: Path) -> None:
    assert {path for path in tracked("harness") if not (site / path).is_file()} == set()
    assert {path for path in tracked(*WRITTEN) if not (site / "harness/scaffold" / path).is_file()} == set()


def test_nothing_of_the_workshop_is_in_it(site: Path) -> None:
    assert {path.name.partition("-")[0] for path in site.iterdir()} == {"harness", "adapter_assay"}


def test_all_that_ships_is_written_out_of_it(site: Path, tmp_path: Path) -> None:
    assay(site, tmp_path, "init --full")
    for path in tracked(*WRITTEN):
        assert (tmp_path / path).read_bytes() == (ROOT / path).read_bytes(), path
    assert (tmp_path / ".github/workflows/assay.yml").is_file()
    assert "tasks" in json.loads(assay(site, tmp_path, "schema"))["properties"]
    assert "adapter-assay" in assay(site, tmp_path, "doctor")


def test_a_new_user_comes_from_a_table_to_a_verdict_by_it_alone(site: Path, tmp_path: Path, learner_dir: Path) -> None:
    rows = [f"{verb} the {thing} now,{verb}" for verb in ("open", "close") for thing in "abcdefghijklmnopqrst"]
    (tmp_path / "intents.csv").write_text("\n".join(["text,intent", *rows]) + "\n")
    shown = assay(site, tmp_path, f"init --from-csv intents.csv --text text --label intent --model {learner_dir}")
    assert shown.endswith("next: assay check && pytest suites/\n")
    gate = "suites", "-m", "task or data", "-q", "-p", "no:cacheprovider", "--dtype=float32", "--profile=demo"
    ended = forked.run(partial(pytest.main, [*gate]), tmp_path, site=site)
    assert ended.code in (0, 1), ended  # so small a model may fail, but is measured
    assert "report: reports/" in ended.output
    [file] = tmp_path.glob("reports/*/verdicts.json")
    outcomes = {verdict["gate"]: verdict["outcome"] for verdict in json.loads(file.read_text())["verdicts"]}
    assert {"task/intents/accuracy/superior", "task/intents/macro_f1/at_least"} <= outcomes.keys()
    assert outcomes["data/layout"] == outcomes["data/leakage"] == "pass"
    assert "error" not in outcomes.values()
    assert file.with_name("report.html").is_file()
    name = file.parent.name
    told = assay(site, tmp_path, "check --profile=demo", f"compare {name} {name}", f"annotate {name}")
    assert "intents, first prompt:" in told
    assert (tmp_path / f"annotate-{name}.html").is_file()
