"""Recipes of several stages: what they may say, what each goes on from, and that one candidate on the base comes of them."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import load_file
from small_recipe import rows, write_jsonl
from tiny import save_tiny_model

from harness.errors import AssayError, RecipeError
from harness.models.resolve import ResolvedModel
from harness.training import TrainedAdapter
from harness.training.history import read_stage
from harness.training.recipe_files import find_recipe, load_recipe
from harness.training.staged import Stage, StagedRecipe
from harness.training.stages import Staging, stages_beside

LORA = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "down_proj"]}
TRAINER = {
    "max_steps": 3,
    "per_device_train_batch_size": 4,
    "learning_rate": 0.01,
    "lr_scheduler_type": "constant",
    "logging_steps": 1,
    "activation_checkpointing": False,
    "seed": 3,
}
SFT: dict[str, Any] = {"name": "chat", "peft": LORA, "data": {"train": {"path": "train.jsonl"}}, "trainer": TRAINER}
DPO: dict[str, Any] = {
    "name": "dpo",
    "method": "dpo",
    "data": {"train": {"path": "pairs.jsonl"}},
    "trainer": {**TRAINER, "learning_rate": 0.02},
}
TRUST: Any = {"allowed": (), "trust_remote_code": False}


def staged(directory: Path, *stages: Any, **keys: Any) -> StagedRecipe:
    """A recipe of these stages on data of a few rows."""
    write_jsonl(directory / "train.jsonl", rows(16))
    pairs = [
        {"prompt": one["prompt"], "chosen": one["completion"], "rejected": "no idea"} for one in rows(12, first=50)
    ]
    write_jsonl(directory / "pairs.jsonl", pairs)
    document = {"base": "tiny", "stages": list(stages), **keys}
    (directory / "two.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    found = load_recipe(directory / "two.yaml", root=directory)
    assert isinstance(found, StagedRecipe)
    return found


def passes(stage: Stage, trained: TrainedAdapter) -> None:
    """Anything may go on."""


def staging(base: Path, cache: Path) -> Staging:
    return Staging(ResolvedModel("tiny", base), "b", cache, TRUST)


def tensors(trained: TrainedAdapter) -> dict[str, Any]:
    return load_file(trained.path / "adapter_model.safetensors")


def able_to_end(model_dir: Path) -> Path:
    """The model with a vector for its EOS, which as the padding of a new model is zero, and cannot be learnt."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(model_dir)
    with torch.no_grad():
        model.get_input_embeddings().weight[model.config.eos_token_id].normal_(std=0.3)
    model.save_pretrained(model_dir)
    return model_dir


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_CACHE_DIR", str(tmp_path / "assay-cache"))


def test_a_continued_adapter_is_one_adapter_held_against_what_it_was(tmp_path: Path, tiny_model_dir: Path) -> None:
    """DPO after SFT: at its first step nothing has moved from what SFT left, so that its margin is 0."""
    recipe = staged(tmp_path, SFT, DPO)
    assert [(one.name, one.goes_on, one.recipe.name) for one in recipe.stages] == [
        ("chat", None, "two@chat"),
        ("dpo", "continued", "two@dpo"),
    ]
    trained = staging(tiny_model_dir, tmp_path / "cache").train(recipe, passes)
    chat = staging(tiny_model_dir, tmp_path / "cache").train(recipe.up_to("chat"), passes)
    assert chat.from_cache
    assert tensors(chat).keys() == tensors(trained).keys()
    assert chat.digest != trained.digest
    history = read_stage(trained.path, "dpo")
    assert history.source == "stages/dpo/training_log.json"
    assert history.logged["rewards/margins"][0][1] == pytest.approx(0.0, abs=1e-6)
    assert history.logged["rewards/margins"][-1][1] > 0
    assert not (trained.path / "ref").exists()
    assert json.loads((trained.path / "adapter_config.json").read_text())["base_model_name_or_path"] == "tiny"
    assert stages_beside(trained.path) == ["chat", "dpo"]
    assert read_stage(trained.path, "chat").method.name == "SFT"
    assert (history.method.name, trained.log.summary.steps) == ("DPO", 3)


def test_stacked_stages_act_together_as_one_adapter_on_the_base(tmp_path: Path, tiny_model_dir: Path) -> None:
    recipe = staged(tmp_path, SFT, {**DPO, "from": "stacked", "peft": {**LORA, "r": 2}})
    how = staging(tiny_model_dir, tmp_path / "cache")
    trained = how.train(recipe, passes)
    first = how.train(recipe.up_to("chat"), passes)
    sums = tensors(trained)
    assert {one.shape[0] for name, one in sums.items() if "lora_A" in name} == {4 + 2}
    name = next(one for one in sums if "q_proj.lora_A" in one)
    assert (sums[name][:4] == 2 * tensors(first)[name]).all(), "what PEFT makes of r 4 and alpha 8 has a strength of 1"
    assert how.is_cached(recipe)
    provenance = json.loads((trained.path / "provenance.json").read_text())
    assert provenance["base"] == "b"
    assert "peft" not in provenance["recipe"]


def test_what_is_merged_ships_as_a_whole_model(tmp_path: Path, tiny_model_dir: Path) -> None:
    ia3 = {"peft_type": "IA3", "target_modules": ["k_proj", "down_proj"], "feedforward_modules": ["down_proj"]}
    recipe = staged(tmp_path, SFT, {**DPO, "from": "merged", "peft": ia3})
    assert recipe.trains_whole
    trained = staging(tiny_model_dir, tmp_path / "cache").train(recipe, passes)
    assert (trained.path / "model.safetensors").is_file()
    assert not (trained.path / "adapter_config.json").exists()
    assert stages_beside(trained.path) == ["chat", "dpo"]


def test_all_weights_may_be_trained_before_or_after_an_adapter(tmp_path: Path, tiny_model_dir: Path) -> None:
    whole = {**SFT, "name": "whole", "peft": "none", "trainer": {**TRAINER, "learning_rate": 1e-4}}
    recipe = staged(tmp_path, whole, {**SFT, "name": "more"}, {**whole, "name": "last"})
    assert [one.goes_on for one in recipe.stages] == [None, "merged", "merged"]
    trained = staging(tiny_model_dir, tmp_path / "cache").train(recipe, passes)
    assert (trained.path / "model.safetensors").is_file()


def test_a_later_stage_is_trained_anew_where_one_before_it_changes(
    tmp_path: Path, tiny_model_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    how = staging(tiny_model_dir, tmp_path / "cache")
    first = how.train(staged(tmp_path, SFT, DPO), passes)
    again = how.train(staged(tmp_path, SFT, DPO), passes)
    assert (first.from_cache, again.from_cache, again.path) == (False, True, first.path)
    slower = {**DPO, "trainer": {**TRAINER, "learning_rate": 0.001}}
    with caplog.at_level(logging.INFO):
        how.train(staged(tmp_path, SFT, slower), passes)
    assert "training two@dpo: 3 steps" in caplog.text
    assert "training two@chat" not in caplog.text
    changed = staged(tmp_path, {**SFT, "trainer": {**TRAINER, "seed": 4}}, DPO)
    assert not how.is_cached(changed)
    caplog.clear()
    with caplog.at_level(logging.INFO):
        how.train(changed, passes)
    assert "training two@chat: 3 steps" in caplog.text
    assert "training two@dpo: 3 steps" in caplog.text


def test_a_gate_between_stages_stops_the_training(tmp_path: Path, tiny_model_dir: Path) -> None:
    recipe = staged(tmp_path, SFT, DPO, gate={"after": ["chat"]})

    def refuse(stage: Stage, trained: TrainedAdapter) -> None:
        raise RecipeError(f"not after {stage.name}")

    how = staging(tiny_model_dir, tmp_path / "cache")
    with pytest.raises(RecipeError, match="not after chat"):
        how.train(recipe, refuse)
    assert how.is_cached(recipe.up_to("chat"))
    assert not how.is_cached(recipe)


@pytest.mark.parametrize(
    ("later", "said"),
    [
        ({"trainer": {**TRAINER, "optim": "adamm"}}, "adamm"),
        ({"trainer": {**TRAINER, "loss_weights": [1.0, 0.2]}}, "loss_weights"),
        (
            {"method": "grpo", "reward": "gone:f", "trainer": {**TRAINER, "num_generations": 4}},
            "reward 'gone:f' names no function",
        ),
        ({"data": {"train": {"path": "gone.jsonl"}}}, "gone.jsonl"),
        ({"data": {"train": {"path": "pairs.jsonl"}, "split": 0.99}}, "data.split 0.99"),
    ],
)
def test_what_is_wrong_with_a_later_stage_is_told_before_the_first_is_trained(
    tmp_path: Path, tiny_model_dir: Path, later: dict[str, Any], said: str
) -> None:
    recipe = staged(tmp_path, SFT, {**DPO, **later})
    with pytest.raises(AssayError, match=said) as error:
        staging(tiny_model_dir, tmp_path / "cache").train(recipe, passes)
    assert error.value.problem.startswith("two@dpo: ")
    assert not (tmp_path / "cache").exists()


def test_the_model_itself_gives_the_worse_answers_of_self_play(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    base = able_to_end(save_tiny_model(tmp_path / "base", initializer_range=0.16))
    chat = {**SFT, "peft": {**LORA, "target_modules": "all-linear"}, "trainer": {**TRAINER, "max_steps": 40}}
    spin = {**DPO, "name": "spin", "data": {"train": {"path": "train.jsonl", "rejected": "generated"}}}
    recipe = staged(tmp_path, chat, spin)
    with caplog.at_level(logging.INFO):
        trained = staging(base, tmp_path / "cache").train(recipe, passes)
    assert "the model answers 16 prompts itself" in caplog.text
    assert read_stage(trained.path, "spin").method.name == "DPO"
    assert read_stage(trained.path, "spin").summary.rows > 0


def test_stages_may_be_other_recipes_by_their_names(tmp_path: Path) -> None:
    recipes = tmp_path / "fixtures" / "recipes"
    recipes.mkdir(parents=True)
    for name, one in (("chat", SFT), ("prefer", DPO)):
        document = {"base": "another", "peft": LORA, **{key: value for key, value in one.items() if key != "name"}}
        (recipes / f"{name}.yaml").write_text(yaml.safe_dump(document))
    recipe = staged(tmp_path, "chat", {"recipe": "prefer", "from": "stacked"})
    assert [(one.name, one.goes_on, one.recipe.base) for one in recipe.stages] == [
        ("chat", None, "tiny"),
        ("prefer", "stacked", "tiny"),
    ]
    (tmp_path / "two.yaml").rename(recipes / "two.yaml")
    assert [one.name for one in find_recipe("two@chat", tmp_path).stages] == ["chat"]  # type: ignore[union-attr]
    with pytest.raises(RecipeError, match=r"recipe 'two' has no stage 'chatt'\n.*did you mean 'chat'"):
        find_recipe("two@chatt", tmp_path)
    with pytest.raises(RecipeError, match="chat has no stages"):
        find_recipe("chat@chat", tmp_path)


def test_a_later_stage_without_a_rate_has_a_lower_one_and_says_so(tmp_path: Path) -> None:
    quiet = {**DPO, "trainer": {key: value for key, value in TRAINER.items() if key != "learning_rate"}}
    later = staged(tmp_path, SFT, quiet).stages[1]
    assert later.recipe.trainer["learning_rate"] == pytest.approx(0.001)
    assert later.describe() == (
        "stage dpo: method dpo, continued; it says no learning_rate, and later stages train at 0.1 of the rate before "
        "(0.01): 0.001"
    )


DORA = {**LORA, "use_dora": True}
PREFIX = {"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 4}


@pytest.mark.parametrize(
    ("stages", "keys", "said"),
    [
        ([], {}, "stages is []"),
        ([{**SFT, "base": "x"}], {}, "stages.0: base is that of all stages"),
        ([{**SFT, "from": "stacked"}], {}, "stages.0: from is 'stacked', and the first stage goes on from the base"),
        ([SFT, {**DPO, "name": "chat"}], {}, "stages.1: two stages are called 'chat'"),
        ([SFT, {**DPO, "trainer": {"max_stps": 3}}], {}, "stages.1.trainer: unknown key 'max_stps'"),
        ([SFT, {**DPO, "metod": "dpo"}], {}, "stages.1: unknown key 'metod'"),
        ([SFT, {**DPO, "from": "continued", "peft": {"r": 2}}], {}, "`peft:` is another"),
        ([SFT, {**DPO, "from": "stacked"}], {"quantization": "nf4"}, "quantization is 'nf4'"),
        ([{**SFT, "peft": DORA}, {**DPO, "from": "stacked"}], {}, "stage chat trains with `peft: use_dora: True`"),
        ([{**SFT, "peft": PREFIX}, {**DPO, "from": "merged", "peft": LORA}], {}, "stage chat trains virtual tokens"),
        ([SFT, {**DPO, "method": "reward"}], {}, "a reward model writes no text"),
        ([SFT, DPO], {"gate": {"after": ["chta"]}}, "gate.after names the stage 'chta'"),
        ([SFT, DPO], {"method": "sft"}, "unknown key 'method'"),
        (["nowhere"], {}, "stages.0: recipe 'nowhere' is unknown"),
        ([{**SFT, "name": "a/b"}], {}, "stages.0.name is 'a/b'"),
    ],
)
def test_stages_that_do_not_fit_are_refused_by_place(
    tmp_path: Path, stages: list[Any], keys: dict[str, Any], said: str
) -> None:
    with pytest.raises(RecipeError) as error:
        staged(tmp_path, *stages, **keys)
    assert "two.yaml: " in str(error.value)
    assert said in str(error.value)
    assert error.value.remedy
