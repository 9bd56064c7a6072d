"""Exhibits put to the real suites, by the real pytest, on the tiny model."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.errors import RunError
from harness.runs import load_run

NOT_LEARNT = {"integrity/routing/stops_with_eos/at_least", "task/routing/accuracy/superior"}
"""What a model of random weights fails, whatever lies beside it."""


def named(zoo: Any, name: str) -> Any:
    return next(exhibit for exhibit in zoo.faults.EXHIBITS if exhibit.name == name)


def differing(runs: Path) -> list[str]:
    """What the gate names of the base, in the one run there."""
    (run,) = runs.iterdir()
    verdict = next(one for one in load_run(run).verdicts if one.gate == "baseline/same_base")
    return list(verdict.details["differing"])


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An assay.yaml without tasks."""
    (tmp_path / "assay.yaml").write_text("profiles: {zoo: {inconclusive: warn}}\n")
    return tmp_path / "assay.yaml"


@pytest.fixture
def modules_kept() -> Iterator[None]:
    """pytest within pytest imports the suites; forget them again."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("suites"):
            del sys.modules[name]


@pytest.mark.usefixtures("heavy_libraries", "modules_kept")
class TestGating:
    """What the suites say, and where to look where they say nothing."""

    def test_a_pickle_is_caught_by_the_suites(self, zoo, adapter, tiny_model_dir, project, tmp_path):
        exhibit = named(zoo, "pickle_weights")
        exhibit.made.surgery(zoo.surgery.Patient(adapter, tiny_model_dir))
        outcome = zoo.running.put_to_gates(exhibit, adapter, tiny_model_dir, project, tmp_path)
        assert outcome.right
        assert outcome.catching == ["integrity/safetensors_only"]
        assert (tmp_path / "pickle_weights.txt").stat().st_size > 0

    def test_a_run_in_which_no_gate_was_put_says_where_to_look(self, zoo, adapter, tiny_model_dir, project, tmp_path):
        project.write_text("profiles: {zoo: {inconclusive: warn}}\nmargins: {effect: 1}\n")
        with pytest.raises(RunError, match="no gate was put to pickle_weights") as error:
            zoo.running.put_to_gates(named(zoo, "pickle_weights"), adapter, tiny_model_dir, project, tmp_path)
        assert "pickle_weights.txt" in error.value.remedy


@pytest.fixture
def keeper(zoo: Any, adapter: Path, tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A keeper whose base is the tiny model, with an adapter on it in place of the first healthy one."""
    monkeypatch.setenv("ASSAY_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "scratch").mkdir()

    (adapter / "provenance.json").write_text("{}")

    class OfTheTinyModel(zoo.keeper.Keeper):
        base = Path(shutil.copytree(tiny_model_dir, tmp_path / "base"))

        def _taught(self, name: str, made: Any) -> Path:
            return adapter

    return OfTheTinyModel(tmp_path / "scratch")


@pytest.mark.usefixtures("heavy_libraries", "modules_kept")
class TestRulesAndReleases:
    """What is wrong is told, and by its gate; the same adapter with nothing wrong is let through by that gate."""

    @staticmethod
    def said(zoo: Any, keeper: Any, name: str, output: Path) -> tuple[Any, dict[str, str]]:
        """What the zoo makes of an exhibit, and gate -> outcome."""
        exhibit = named(zoo, name)
        said = zoo.running.ask_gates
        told: dict[str, str] = {}

        def kept(*arguments: Any) -> Any:
            found = said(*arguments)
            told.update({verdict.gate: verdict.outcome for verdict in found.verdicts})
            return found

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(zoo.running, "ask_gates", kept)
            outcome = zoo.running.put_to_gates(
                exhibit, keeper.on_trial(exhibit), keeper.base_of(exhibit), keeper.project(exhibit), output,
                keeper.released_on(exhibit),
            )  # fmt: skip
        return outcome, told

    def test_a_penalty_is_caught_until_it_is_stated(self, zoo, keeper, tmp_path):
        outcome, _ = self.said(zoo, keeper, "penalty_unstated", tmp_path)
        assert outcome.right and outcome.catching == ["integrity/decoding"]
        stated, told = self.said(zoo, keeper, "healthy_penalty_stated", tmp_path)
        assert told["integrity/decoding"] == "pass"
        assert set(stated.wrongly) == NOT_LEARNT

    @pytest.mark.parametrize(
        ("name", "part"),
        [
            ("released_on_other_weights", "weights"),
            ("released_on_other_tokenizer", "tokenizer"),
            ("released_on_other_template", "chat template"),
        ],
    )
    def test_a_release_on_another_base_is_caught(self, zoo, keeper, tmp_path, name, part):
        outcome, told = self.said(zoo, keeper, name, tmp_path)
        assert outcome.right and outcome.catching == ["baseline/same_base"]
        assert told["baseline/same_base"] == "inconclusive" and "baseline/same_base" not in outcome.undecided
        assert differing(tmp_path / name) == [part]

    def test_a_release_on_the_same_base_is_let_through(self, zoo, keeper, tmp_path):
        outcome, told = self.said(zoo, keeper, "healthy_released_before", tmp_path)
        assert told["baseline/same_base"] == "pass"
        assert set(outcome.wrongly) == NOT_LEARNT
