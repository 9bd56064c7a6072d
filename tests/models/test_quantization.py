from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from tiny import save_tiny_adapter, save_tiny_model
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel

from harness.models.export import Source, export, parse_target
from harness.models.loading import LoadOptions, load_base, load_model
from harness.models.probing import largest_shift, probe_log_probs
from harness.models.quantization import (
    bitsandbytes_config,
    has_packed_weights,
    is_packed,
    linear4bit_layers,
    packing_of,
    repacked_layers,
    round_anew,
)

IDS = torch.arange(3, 35).reshape(2, 16)


def load_packed(directory: Path, quantization: str, dtype: str = "float32") -> PreTrainedModel:
    return load_base(directory, LoadOptions(dtype, "cpu", quantization), trainable=True).eval()


def load_dense(directory: Path, quantization: str = "none", dtype: str = "float32") -> PreTrainedModel:
    return load_base(directory, LoadOptions(dtype, "cpu", quantization)).eval()


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
    models = [load_packed(tiny_model_dir, "nf4", "bfloat16") for _ in range(2)]
    for model in models:
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
    dtype = torch.bfloat16
    packing = bitsandbytes_config("nf4", dtype)
    model = AutoModelForCausalLM.from_pretrained(
        tiny_model_dir, dtype=dtype, quantization_config=packing, device_map={"": "cpu"}
    )
    gradients = lora_gradients(model, evaluate_first=True)
    queries = [gradient for name, gradient in gradients.items() if "q_proj.lora_B" in name]
    assert len(queries) == 2
    assert not any(gradient is not None and gradient.any() for gradient in queries)
    assert len(repacked_layers(model)) == 14


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_dense_model_computes_what_the_4bit_model_computes(tiny_model_dir: Path, dtype: str) -> None:
    dense, packed = load_dense(tiny_model_dir, "nf4", dtype), load_packed(tiny_model_dir, "nf4", dtype)
    assert has_packed_weights(packed)
    assert not has_packed_weights(dense)
    with torch.no_grad():
        torch.testing.assert_close(dense(IDS).logits, packed(IDS).logits)
        assert (dense(IDS).logits - load_dense(tiny_model_dir, "none", dtype)(IDS).logits).abs().max() > 0.01


NF4 = [
    -1.0, -0.6961928, -0.52507305, -0.3949175, -0.28444138, -0.18477343, -0.09105004, 0.0, 0.0795803, 0.1609302, 0.2461123,
    0.33791524, 0.44070983, 0.562617, 0.72295684, 1.0,
]  # fmt: skip
"""The values of a block as shares of its largest (https://arxiv.org/abs/2305.14314, appendix E)."""


def test_nf4_weights_are_those_of_the_published_table(tiny_model_dir: Path) -> None:
    model, table = load_dense(tiny_model_dir), torch.tensor(NF4)
    for name, layer in load_dense(tiny_model_dir, "nf4").named_modules():
        if is_rounded(layer):
            blocks = model.get_submodule(name).weight.reshape(-1, 64)
            largest = blocks.abs().amax(dim=1, keepdim=True)
            said = table[((blocks / largest).unsqueeze(-1) - table).abs().argmin(dim=-1)] * largest
            off = (layer.weight.reshape(-1, 64) - said).norm() / (said - blocks).norm()
            assert off < 0.2, name  # of the rounding: the scales are rounded too, to 8 bits


def as_saved_by_transformers(base: Path, directory: Path, **packing: Any) -> Path:
    """A checkpoint in int8, and with it the tokenizer."""
    model = AutoModelForCausalLM.from_pretrained(
        base, quantization_config=BitsAndBytesConfig(load_in_8bit=True, **packing), device_map={"": "cpu"}
    )
    model.save_pretrained(directory)
    for file in base.glob("tokenizer*"):
        (directory / file.name).write_bytes(file.read_bytes())
    return directory


def as_exported(base: Path, directory: Path) -> Path:
    return export(Source("tiny", base, None, {}), parse_target("int8"), directory)


def as_saved_where_some_was_offloaded(base: Path, directory: Path) -> Path:
    """With the flag of a machine whose GPU did not hold all."""
    config = as_exported(base, directory) / "config.json"
    document = json.loads(config.read_text())
    document["quantization_config"]["llm_int8_enable_fp32_cpu_offload"] = True
    config.write_text(json.dumps(document))
    return directory


@pytest.mark.parametrize(
    ("save", "shape", "packed"),
    [
        (as_exported, {}, 14),
        (as_exported, {"attention_bias": True, "mlp_bias": True}, 14),
        (as_saved_by_transformers, {}, 14),
        (as_saved_where_some_was_offloaded, {}, 14),
        (
            lambda base, out: as_saved_by_transformers(base, out, llm_int8_skip_modules=["lm_head", "up_proj"]),
            {"attention_bias": True},
            12,
        ),
    ],
    ids=["exported", "with_biases", "by_transformers", "offloaded", "with_skipped_modules"],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_an_int8_checkpoint_has_the_weights_that_its_file_says(
    save: Callable[[Path, Path], Path], shape: Mapping[str, Any], packed: int, dtype: torch.dtype, tmp_path: Path
) -> None:
    made = save(save_tiny_model(tmp_path / "base", **shape), tmp_path / "int8")
    stored = load_file(made / "model.safetensors")
    model = load_dense(made, dtype=str(dtype).removeprefix("torch."))
    assert {weight.dtype for weight in model.parameters()} == {dtype}
    assert sum(name.endswith(".SCB") for name in stored) == packed == sum(map(is_rounded, model.modules()))
    for name, weight in model.named_parameters():
        scales = stored.get(name.removesuffix("weight") + "SCB")
        said = stored[name].float() if scales is None else stored[name].float() * scales[:, None] / 127
        torch.testing.assert_close(weight, said.to(dtype), rtol=1e-6 if dtype == torch.float32 else 0.01, atol=0)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def is_rounded(layer: torch.nn.Module) -> bool:
    return packing_of(layer) is not None


@pytest.fixture(scope="module")
def noisy_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with activations in which rounding shows."""
    return save_tiny_model(tmp_path_factory.mktemp("noisy") / "model", initializer_range=0.5)


@pytest.mark.parametrize("made", ["asked_for", "checkpoint"])
def test_in_int8_an_answer_is_the_same_beside_any_other_and_whatever_follows(
    made: str, noisy_dir: Path, tmp_path: Path
) -> None:
    """Of bitsandbytes' kernel it is not: should that be mended, nothing need be unpacked."""
    dense = load_dense(noisy_dir, "int8") if made == "asked_for" else load_dense(as_exported(noisy_dir, tmp_path / "i"))
    for model, same in ((dense, True), (load_packed(noisy_dir, "int8"), False)):
        with torch.no_grad():
            alone, cut = model(IDS[:1]).logits, model(IDS[:1, :9]).logits
            beside = model(IDS).logits[:1]
        assert ((alone - beside).abs().max() < 1e-4) == same
        assert ((alone[:, :9] - cut).abs().max() < 1e-4) == same


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_rounding_anew_is_what_packing_does(tiny_model_dir: Path, quantization: str) -> None:
    model, dense = load_dense(tiny_model_dir), load_dense(tiny_model_dir, quantization)
    layers = {name: packing for name, layer in dense.named_modules() if (packing := packing_of(layer)) is not None}
    packed = {name for name, layer in load_packed(tiny_model_dir, quantization).named_modules() if is_packed(layer)}
    assert layers.keys() == packed
    round_anew({model.get_submodule(name): packing for name, packing in layers.items()})
    for (name, ours), theirs in zip(model.named_parameters(), dense.parameters(), strict=True):
        assert torch.equal(ours, theirs), name


def test_an_adapter_on_an_int8_checkpoint_switches_and_merges_as_on_any_base(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    base = as_exported(tiny_model_dir, tmp_path / "int8")
    adapter = save_tiny_adapter(base, tmp_path / "adapter", scale=0.3)
    loaded, plain = load_model(base, LoadOptions("float32", "cpu"), adapter=adapter), load_dense(base)
    said = probe_log_probs(loaded.in_memory().model, loaded.tokenizer)
    with loaded.adapter(on=False) as off:
        assert largest_shift(probe_log_probs(off, loaded.tokenizer), probe_log_probs(plain, loaded.tokenizer)) == 0
    assert largest_shift(said, probe_log_probs(plain, loaded.tokenizer)) > 0.01
    merged = export(Source("tuned", base, adapter, {}), parse_target("merged"), tmp_path / "merged")
    assert not list(merged.glob("*.bin"))
    assert largest_shift(said, probe_log_probs(load_dense(merged), loaded.tokenizer)) < 0.01


def test_it_is_told_that_activations_are_not_rounded(tiny_model_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    load_dense(tiny_model_dir, "nf4")
    assert not caplog.messages
    load_dense(tiny_model_dir, "int8")
    assert "int8-weight-only" in caplog.text
