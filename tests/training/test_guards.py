from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, TrainerState

from harness.errors import RecipeError
from harness.models import loading
from harness.training import trainer
from harness.training.callbacks import GradientGuard, Start, check_names, check_target_modules, check_trained


@pytest.fixture
def lora(tiny_model_dir: Path) -> PeftModel:
    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir)
    return get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM"))


@pytest.mark.parametrize("targets", [["no_proj"], ["q_proj", "no_proj"], r".*\.no_proj"])
def test_target_modules_matching_nothing_or_partly_nothing_are_named(tiny_model_dir: Path, targets: object) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir)
    with pytest.raises(RecipeError) as error:
        check_target_modules(targets, model)
    assert "no_proj" in error.value.problem
    assert "'q_proj'" not in error.value.problem
    assert "down_proj, gate_proj" in error.value.remedy
    assert "lm_head" not in error.value.remedy


@pytest.mark.parametrize("targets", [None, "all-linear", ["q_proj", "mlp.down_proj"], r".*layers\.0.*(q|v)_proj"])
def test_target_modules_that_match_pass(tiny_model_dir: Path, targets: object) -> None:
    check_target_modules(targets, AutoModelForCausalLM.from_pretrained(tiny_model_dir))


@pytest.mark.parametrize(
    ("key", "given"),
    [
        ("target_parameters", ["mlp.down_proj.weight", "mlp.experts.weight"]),
        ("exclude_modules", ["mlp.experts"]),
        ("modules_to_save", ["experts.head"]),
        ("feedforward_modules", ["down_proj", "experts"]),
        ("rank_pattern", {"layers.0.*q_proj": 4, "experts": 8}),
        ("alpha_pattern", {"experts": 8}),
    ],
)
def test_whatever_else_is_named_must_be_there_too(tiny_model_dir: Path, key: str, given: Any) -> None:
    """PEFT passes over a name that it does not find, and trains something else."""
    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir)
    with pytest.raises(RecipeError, match=rf"peft.{key}: '[a-z.]*experts[a-z.]*' matches nothing") as error:
        check_names({key: given}, model)
    assert "down_proj" in error.value.remedy
    there = (
        {name: value for name, value in given.items() if "experts" not in name}
        if isinstance(given, dict)
        else ["down_proj"]
    )
    check_names({key: ["down_proj.weight"] if key == "target_parameters" else there, "target_modules": None}, model)


def test_missing_gradients_stop_training_and_are_looked_at_again_after_an_evaluation(lora: PeftModel) -> None:
    guard, state = GradientGuard(), TrainerState(global_step=4)
    ids = torch.ones(1, 4, dtype=torch.long)
    lora(input_ids=ids, labels=ids).loss.backward()
    guard.on_pre_optimizer_step(None, state, None, model=lora)
    lora.zero_grad()
    guard.on_pre_optimizer_step(None, state, None, model=lora)  # checked only when due: a look costs time each step
    guard.on_evaluate(None, state, None)
    with pytest.raises(RecipeError, match=r"step 5: 4 of 4 adapter parameters have no gradient .*lora_A"):
        guard.on_pre_optimizer_step(None, state, None, model=lora)


def test_an_adapter_whose_b_stayed_zero_is_not_accepted_as_trained(lora: PeftModel) -> None:
    start = Start(lora)
    with pytest.raises(RecipeError, match="2 of 2 matrices that start at zero are all zero"):
        check_trained(lora, start, "try again")
    with torch.no_grad():
        for name, parameter in lora.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.1)
    check_trained(lora, start, "try again")
    with pytest.raises(RecipeError, match="none of 4 trained parameters has changed"):
        check_trained(lora, Start(lora), "try again")


@pytest.mark.skipif(
    not torch.cpu._is_avx512_bf16_supported(), reason="bitsandbytes repacks 4-bit weights only with AVX512_BF16"
)
def test_training_over_repacked_layers_is_stopped(
    make_recipe: Any, tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "disable_cpu_inference_repack", lambda model: 0)
    monkeypatch.setattr(trainer, "trains_dense", lambda recipe, device: False)
    monkeypatch.setattr(trainer, "choose_dtype", lambda device: torch.bfloat16)
    # An evaluation without the checkpoint that usually follows: saving one unpacks the weights again.
    recipe = make_recipe(quantization="nf4", peft={"target_modules": "all-linear"}, trainer={"eval_on_start": True})
    with pytest.raises(RecipeError, match="step 1: 14 4-bit layers were repacked"):
        trainer.fit(recipe, base_path=str(tiny_model_dir), work_dir=tmp_path, adapter_dir=tmp_path / "adapter")
