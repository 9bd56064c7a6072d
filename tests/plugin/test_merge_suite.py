"""`suites/test_merge.py`: a merge that keeps what its parents can passes; one that drops a parent fails by that one's name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from project import Project, counts
from specialists import BIRDS, SHIPS, text_task, train_on

from harness.config import Config
from harness.config.settings import make_settings
from harness.gates.config import gates_from_config
from harness.session import Session

SUITE = Path(__file__).parents[2] / "suites" / "test_merge.py"
# In bits a byte. On its own texts a specialist has won five and nine over the base, of which their sum loses two and three.
MARGIN = 4.5


@pytest.fixture(scope="module")
def specialists(learner_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Adapters that learnt their own texts each."""
    root = tmp_path_factory.mktemp("specialists")
    return (
        train_on(learner_dir, SHIPS, root / "ships", seed=1),
        train_on(learner_dir, BIRDS, root / "birds", seed=2),
    )


def test_a_merge_keeps_what_each_parent_can_unless_it_drops_one(
    specialists: tuple[Path, Path], learner_dir: Path, tmp_path: Path
) -> None:
    ships, birds = specialists
    texts = {"ships_text": SHIPS, "birds_text": BIRDS}
    tasks = {name: text_task(tmp_path, name, rows, MARGIN) for name, rows in texts.items()}
    outcomes = {}
    for weight in (1, 0):
        candidate = f"[{ships}, {{path: {birds}, weight: {weight}}}]"
        session = Session(
            make_settings(Config(root=tmp_path, tasks=tasks), model=str(learner_dir), candidate=candidate)
        )
        for parent in session.models.parents:
            for task in tasks:
                [spec] = gates_from_config(task, tasks[task]["gates"])
                comparison = session.compare(task, against=parent)
                assert not hasattr(comparison, "measured")
                rule = spec.against(comparison, 0.02)  # type: ignore[arg-type]
                assert rule is not None
                verdict = rule.decide()
                outcomes[weight, verdict.gate] = verdict.outcome
    assert {outcome for (weight, _), outcome in outcomes.items() if weight} == {"pass"}
    failed = [key for key, outcome in outcomes.items() if outcome == "fail"]
    assert failed == [(0, "birds/birds_text/bits_per_byte/non_inferior")]
    assert len(outcomes) == 8


def test_the_suite_names_the_parent_that_was_dropped(
    specialists: tuple[Path, Path], learner_dir: Path, project: Project
) -> None:
    ships, birds = specialists
    shutil.copy(SUITE, project.root / SUITE.name)
    project.config["model"] = str(learner_dir)
    project.config["tasks"] = {"birds_text": text_task(project.root, "birds_text", BIRDS, MARGIN)}
    project.config["candidate"] = {"adapter": [str(ships), {"path": str(birds), "weight": 0}]}
    project.adapter = None
    result = project.run("-k", "gain", "--keep-going")
    assert counts(result)["failed"] == 1
    verdicts = project.verdicts
    assert verdicts["merge/birds/birds_text/bits_per_byte/non_inferior"]["outcome"] == "fail"
    assert "more weight" in verdicts["merge/birds/birds_text/bits_per_byte/non_inferior"]["remedy"]
    assert verdicts["merge/ships/birds_text/bits_per_byte/non_inferior"]["outcome"] != "fail"
    assert {parent["name"] for parent in project.manifest["parents"]} == {"ships", "birds"}
    stored = json.loads((project.run_directory / "manifest.json").read_text())
    assert all(parent["digest"] for parent in stored["parents"])


def test_a_candidate_that_is_no_merge_is_asked_nothing(project: Project) -> None:
    shutil.copy(SUITE, project.root / SUITE.name)
    result = project.run("-rs", "-k", "plain_text")
    assert counts(result)["skipped"] == 1
    result.stdout.fnmatch_lines(["*is no merge, or nothing says of what*"])
