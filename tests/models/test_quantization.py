from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, PreTrainedModel

from harness.models.quantization import (
    disable_cpu_inference_repack,
    linear4bit_layers,
    nf4_config,
    quantizable_layers,
    repacked_layers,
    round_to_nf4,
)

IDS = torch.arange(3, 35).reshape(2, 16)


def load_nf4(directory: Path, dtype: torch.dtype) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(
        directory, dtype=dtype, quantization_config=nf4_config(dtype), device_map={"": "cpu"}
    )


def load_rounded(directory: Path, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=dtype)
    round_to_nf4(quantizable_layers(model))
    return model


def lora_gradients(model: PreTrainedModel, *, evaluate_first: bool) -> dict[str, torch.Tensor | None]:
    """Gradients of one training step on a fresh adapter, after an evaluation or without one."""
    torch.manual_seed(0)
    lora = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    if evaluate_first:
        lora.eval()
        with torch.no_grad():
            lora(input_ids=IDS)
    lora.train()
    lora(input_ids=IDS, labels=IDS).loss.backward()
    return {name: p.grad for name, p in lora.named_parameters() if p.requires_grad}


def test_an_evaluation_does_not_change_the_gradients_that_follow(tiny_model_dir: Path) -> None:
    models = [load_nf4(tiny_model_dir, torch.bfloat16) for _ in range(2)]
    for model in models:
        disable_cpu_inference_repack(model)
        assert [layer.support_avx512bf16_for_cpu for layer in linear4bit_layers(model).values()] == [False] * 14
    fresh = lora_gradients(models[0], evaluate_first=False)
    after = lora_gradients(models[1], evaluate_first=True)
    assert repacked_layers(models[1]) == []
    for name, gradient in fresh.items():
        assert torch.equal(after[name], gradient), name
        assert gradient.any() or "lora_A" in name, name


@pytest.mark.skipif(
    not torch.cpu._is_avx512_bf16_supported(), reason="bitsandbytes repacks 4-bit weights only with AVX512_BF16"
)
def test_without_the_fix_an_evaluation_cuts_gradients_off_and_it_is_noticed(tiny_model_dir: Path) -> None:
    """When this fails, bitsandbytes has mended it and `disable_cpu_inference_repack` can go."""
    model = load_nf4(tiny_model_dir, torch.bfloat16)
    gradients = lora_gradients(model, evaluate_first=True)
    queries = [gradient for name, gradient in gradients.items() if "q_proj.lora_B" in name]
    assert len(queries) == 2
    assert not any(gradient is not None and gradient.any() for gradient in queries)
    assert len(repacked_layers(model)) == 14


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dequantized_model_computes_what_the_4bit_model_computes(tiny_model_dir: Path, dtype: torch.dtype) -> None:
    original = AutoModelForCausalLM.from_pretrained(tiny_model_dir, dtype=dtype).eval()
    dense = load_rounded(tiny_model_dir, dtype).eval()
    packed = load_nf4(tiny_model_dir, dtype).eval()
    disable_cpu_inference_repack(packed)
    with torch.no_grad():
        torch.testing.assert_close(dense(IDS).logits, packed(IDS).logits)
        assert (dense(IDS).logits - original(IDS).logits).abs().max() > 0.01


def test_dequantization_rounds_exactly_the_layers_bitsandbytes_would_and_spares_the_head(tiny_model_dir: Path) -> None:
    original = AutoModelForCausalLM.from_pretrained(tiny_model_dir)
    dense = load_rounded(tiny_model_dir)
    changed = {
        name.removesuffix(".weight")
        for (name, before), after in zip(original.named_parameters(), dense.parameters(), strict=True)
        if not torch.equal(before, after)
    }
    assert changed == set(linear4bit_layers(load_nf4(tiny_model_dir, torch.float32)))
    assert torch.equal(original.get_output_embeddings().weight, dense.get_output_embeddings().weight)
