"""Whatever of a model is trained, what is left loads, is the best checkpoint's, and off it is the base."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from small_recipe import MakeRecipe
from transformers import AutoModelForCausalLM

from harness.errors import RecipeError
from harness.models.loading import LoadOptions, load_model
from harness.training import Recipe, train
from harness.training.configs import trainer_config
from harness.training.trainer import fit

OPTIONS = LoadOptions("float32", "cpu")
STEPS = {"max_steps": 3, "eval_steps": 1, "learning_rate": 0.02}
LAYERS = ["q_proj", "v_proj", "down_proj"]


def trained(recipe: Recipe, base: Path, tmp_path: Path) -> Path:
    """Train, and hold what is left against the best checkpoint."""
    (tmp_path / "work").mkdir()
    log = fit(recipe, base_path=str(base), work_dir=tmp_path / "work", adapter_dir=tmp_path / "adapter")
    [weights] = (tmp_path / "adapter").glob("*model.safetensors")
    best = load_file(tmp_path / "work" / "checkpoints" / f"checkpoint-{log.summary.best_step}" / weights.name)
    left = load_file(weights)
    if not recipe.is_converted:
        assert left.keys() == best.keys()
        assert all(torch.equal(left[name], best[name]) for name in best)
    return tmp_path / "adapter"


def moved(base: Path, adapter: Path) -> float:
    """How far an adapter moves the logits; off, it must be the base."""
    ids = torch.arange(40, 52).reshape(1, -1)
    loaded, plain = load_model(base, OPTIONS, adapter=adapter), load_model(base, OPTIONS)
    with torch.no_grad():
        before = plain.in_memory().model(input_ids=ids).logits
        with loaded.adapter(on=False) as off:
            assert torch.equal(off(input_ids=ids).logits, before)
        with loaded.adapter(on=True) as on:
            return float((on(input_ids=ids).logits - before).abs().max())


@pytest.mark.parametrize(
    "peft",
    [
        {"use_dora": True, "target_modules": LAYERS, "rank_pattern": {"q_proj": 2}},
        {"peft_type": "ADALORA", "init_r": 4, "target_r": 2, "total_step": 3, "target_modules": LAYERS},
        {"peft_type": "IA3", "target_modules": ["k_proj", "down_proj"], "feedforward_modules": ["down_proj"]},
        {"peft_type": "VERA", "r": 4, "target_modules": ["q_proj", "v_proj"]},
        {"peft_type": "LN_TUNING", "target_modules": ["input_layernorm", "norm"]},
        {"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 3},
        {"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 3, "prefix_projection": True, "encoder_hidden_size": 8},
        {"peft_type": "P_TUNING", "num_virtual_tokens": 3, "encoder_hidden_size": 16},
        {
            "peft_type": "PROMPT_TUNING",
            "num_virtual_tokens": 3,
            "prompt_tuning_init": "TEXT",
            "prompt_tuning_init_text": "Call the right function",
        },
    ],
    ids=lambda peft: "-".join([peft.get("peft_type", "LORA"), *(key for key in peft if "pro" in key or "dora" in key)]),
)
def test_methods_of_peft_are_trained_by_their_own_arguments(
    make_recipe: MakeRecipe, learner_dir: Path, tmp_path: Path, peft: dict[str, Any]
) -> None:
    adapter = trained(make_recipe(peft=peft, trainer=STEPS), learner_dir, tmp_path)
    assert moved(learner_dir, adapter) > 1e-4
    config = json.loads((adapter / "adapter_config.json").read_text())
    assert config["peft_type"] == peft.get("peft_type", "LORA")
    assert str(learner_dir) not in json.dumps(config)


@pytest.mark.parametrize("start", ["pissa", "olora"])
def test_an_adapter_that_starts_by_a_change_of_the_base_is_converted(
    make_recipe: MakeRecipe, learner_dir: Path, tmp_path: Path, start: str
) -> None:
    recipe = make_recipe(peft={"init_lora_weights": start}, trainer=STEPS)
    adapter = trained(recipe, learner_dir, tmp_path)
    assert moved(learner_dir, adapter) > 1e-3
    config = json.loads((adapter / "adapter_config.json").read_text())
    assert (config["init_lora_weights"], config["r"], config["lora_alpha"]) == (True, 8, 16)


@pytest.mark.parametrize(
    ("peft", "said"),
    [
        ({"trainable_token_indices": [40]}, "peft.trainable_token_indices: the base's head shares"),
        ({"peft_type": "TRAINABLE_TOKENS", "token_indices": [40]}, "peft.token_indices: the base's head shares"),
        ({"peft_type": "ADALORA", "target_modules": LAYERS}, "total_step"),
        (
            {"peft_type": "IA3", "target_modules": ["k_proj"], "feedforward_modules": ["down_proj"]},
            "feedforward_modules",
        ),
    ],
)
def test_what_peft_or_trl_cannot_do_is_said(
    make_recipe: MakeRecipe, tiny_model_dir: Path, tmp_path: Path, peft: dict[str, Any], said: str
) -> None:
    with pytest.raises(RecipeError, match=said):
        trained(make_recipe(peft=peft, trainer=STEPS), tiny_model_dir, tmp_path)


def test_all_weights_are_trained_into_a_model_like_the_base(
    make_recipe: MakeRecipe, learner_dir: Path, tmp_path: Path
) -> None:
    recipe = make_recipe(peft="none", trainer={**STEPS, "learning_rate": 1e-3})
    made = train(recipe, base_path=str(learner_dir), base_digest="b", cache_dir=tmp_path / "cache")
    assert made.log.summary.trainable_share == 1.0
    assert {file.name for file in learner_dir.iterdir()} <= {file.name for file in made.path.iterdir()}
    for name in ("config.json", "tokenizer.json", "chat_template.jinja"):
        assert (made.path / name).read_bytes() == (learner_dir / name).read_bytes()
    ids = torch.arange(40, 52).reshape(1, -1)
    with torch.no_grad():
        before, after = (AutoModelForCausalLM.from_pretrained(one)(ids).logits for one in (learner_dir, made.path))
    assert float((after - before).abs().max()) > 1e-3
    again = train(recipe, base_path=str(learner_dir), base_digest="b", cache_dir=tmp_path / "cache")
    assert (again.from_cache, again.digest) == (True, made.digest)


def test_a_prefix_is_not_trained_with_forwards_that_leave_out_its_cache(
    make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    """As TRL would by default."""
    peft = {"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 3}
    recipe = make_recipe(peft=peft).model_copy(update={"trainer": {}})
    told = trainer_config(recipe, tmp_path, torch.device("cpu"), torch.float32)
    assert not told.activation_checkpointing
    plain = recipe.model_copy(update={"peft": {"r": 2}})
    assert trainer_config(plain, tmp_path, torch.device("cpu"), torch.float32).activation_checkpointing
