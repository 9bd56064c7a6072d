"""Reward models score what they were trained on as their trainer does; one that lost its head is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from small_recipe import MakeRecipe, make_recipe, write_jsonl

from harness.checks.data import corpus_of_recipe
from harness.checks.overfitting import score_pairs
from harness.errors import AdapterError
from harness.models.adapters.files import WEIGHTS
from harness.models.loading import LoadOptions
from harness.models.reward_models import RewardModel, is_reward_model
from harness.training.trainer import fit

__all__ = ["make_recipe"]

OPTIONS = LoadOptions("bfloat16", "cpu")
CITIES = ("Paris", "Rome", "Oslo", "Lima")


@pytest.fixture
def trained(make_recipe: MakeRecipe, learner_dir: Path, tmp_path: Path) -> tuple[Path, float, float]:
    """A reward model with the accuracy and the margin that its trainer logged for pairs held out."""
    data = {part: {"path": f"{part}_pairs.jsonl"} for part in ("train", "validation")}
    recipe = make_recipe(method="reward", data=data, trainer={"learning_rate": 0.002, "max_steps": 8, "eval_steps": 8})
    for i, part in enumerate(data):
        rows = [
            {"prompt": f"Weather {j}?", "chosen": f"get {CITIES[j % 4]}", "rejected": f"I think {CITIES[j % 3]} then"}
            for j in range(40 * i, 40 * i + 32)
        ]
        write_jsonl(tmp_path / f"{part}_pairs.jsonl", rows)
    work, adapter = tmp_path / "work", tmp_path / "reward"
    work.mkdir()
    adapter.mkdir()
    log = fit(recipe, base_path=str(learner_dir), work_dir=work, adapter_dir=adapter)
    return adapter, log.evaluated["accuracy"][-1][1], log.evaluated["margin"][-1][1]


def test_pairs_are_scored_as_in_training(
    trained: tuple[Path, float, float], make_recipe: MakeRecipe, learner_dir: Path, tiny_adapter_dir: Path
) -> None:
    adapter, accuracy, margin = trained
    data = {part: {"path": f"{part}_pairs.jsonl"} for part in ("train", "validation")}
    corpus = corpus_of_recipe(make_recipe(method="reward", data=data))
    pairs = score_pairs(corpus, RewardModel(learner_dir, adapter, OPTIONS), 100)
    assert len(pairs.names) == 32
    assert (pairs.margins > 0).mean() == pytest.approx(accuracy, abs=1 / 32)
    assert pairs.margins.mean() == pytest.approx(margin, abs=0.02)
    assert is_reward_model(adapter) and not is_reward_model(tiny_adapter_dir)


def test_a_reward_model_without_its_head_is_refused(trained: tuple[Path, float, float], learner_dir: Path) -> None:
    adapter, *_ = trained
    tensors = {name: tensor for name, tensor in load_file(adapter / WEIGHTS).items() if "score" not in name}
    save_file(tensors, adapter / WEIGHTS)
    with pytest.raises(AdapterError, match="has no head") as told:
        RewardModel(learner_dir, adapter, OPTIONS)
    assert "modules_to_save" in told.value.remedy
