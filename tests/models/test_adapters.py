"""Adapters that must be refused, each with the tensors or files named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import save_tiny_adapter, save_tiny_model

from harness.errors import AdapterError
from harness.models.adapter_files import WEIGHTS, read_tensor_headers
from harness.models.adapter_tensors import match_tensors, unmatched_targets
from harness.models.loading import LoadOptions, load_model

OPTIONS = LoadOptions(dtype="float32", device="cpu")


def rewrite(adapter: Path, change) -> None:
    tensors = load_file(adapter / WEIGHTS)
    change(tensors)
    save_file(tensors, adapter / WEIGHTS)


def edit_config(adapter: Path, **changes) -> None:
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_healthy_adapter_matches_both_ways_and_loads(tiny_model_dir, adapter):
    match = match_tensors(adapter, tiny_model_dir)
    assert match.holds
    assert match.matched == 28
    assert load_model(tiny_model_dir, OPTIONS, adapter=adapter).has_adapter


def test_an_adapter_for_a_wider_base_names_tensors_and_shapes(tiny_model_dir, tmp_path):
    wide = save_tiny_model(tmp_path / "wide", hidden_size=128)
    stranger = save_tiny_adapter(wide, tmp_path / "stranger")
    with pytest.raises(AdapterError, match="does not fit the base") as caught:
        load_model(tiny_model_dir, OPTIONS, adapter=stranger)
    assert "28 of another shape" in caught.value.problem
    assert "is [4, 128], the base needs [4, 64]" in caught.value.problem
    assert "wide" in caught.value.remedy


def test_missing_and_renamed_tensors_are_named(tiny_model_dir, adapter):
    def rename(tensors):
        for name in [n for n in tensors if "layers.1.mlp.up_proj" in n]:
            tensors[name.replace("up_proj", "renamed")] = tensors.pop(name)

    rewrite(adapter, rename)
    match = match_tensors(adapter, tiny_model_dir)
    assert len(match.missing) == len(match.unexpected) == 2
    with pytest.raises(AdapterError, match=r"missing from the file: .*layers\.1\.mlp\.up_proj\.lora_A"):
        load_model(tiny_model_dir, OPTIONS, adapter=adapter)


def test_an_extra_tensor_is_named(tiny_model_dir, adapter):
    rewrite(adapter, lambda t: t.update({"base_model.model.extra.lora_A.weight": torch.ones(2)}))
    assert match_tensors(adapter, tiny_model_dir).unexpected == ["base_model.model.extra.lora_A.weight"]


def test_a_target_module_that_matches_nothing_is_named_though_peft_is_silent(tiny_model_dir, adapter):
    config = json.loads((adapter / "adapter_config.json").read_text())
    edit_config(adapter, target_modules=[*config["target_modules"], "query_key_value"])
    match = match_tensors(adapter, tiny_model_dir)
    assert match.unmatched_targets == ["query_key_value"]
    assert not match.holds


def test_target_patterns_follow_pefts_rules():
    modules = ["model.layers.0.self_attn.q_proj", "lm_head"]
    assert unmatched_targets(["q_proj", "self_attn.q_proj", "proj"], modules) == ["proj"]
    assert unmatched_targets(r".*\.q_proj", modules) == []
    assert unmatched_targets("q_proj", modules) == ["q_proj"]  # a string must match the whole name
    assert unmatched_targets("all-linear", modules) == []


@pytest.mark.parametrize("name", ["adapter_model.bin", "head.pkl", "modeling_custom.py", "sub/weights.pt"])
def test_files_that_can_run_code_are_refused_by_name(tiny_model_dir, adapter, name):
    (adapter / name).parent.mkdir(exist_ok=True)
    (adapter / name).write_bytes(b"\x80\x04.")
    with pytest.raises(AdapterError, match=name):
        load_model(tiny_model_dir, OPTIONS, adapter=adapter)


def test_pickle_instead_of_safetensors_is_refused(tiny_model_dir, adapter):
    (adapter / WEIGHTS).rename(adapter / "adapter_model.bin")
    with pytest.raises(AdapterError, match=r"adapter_model\.bin") as caught:
        load_model(tiny_model_dir, OPTIONS, adapter=adapter)
    assert "safetensors" in caught.value.remedy


def test_trainers_own_pickle_is_no_reason_to_refuse(tiny_model_dir, adapter):
    (adapter / "training_args.bin").write_bytes(b"\x80\x04.")
    assert load_model(tiny_model_dir, OPTIONS, adapter=adapter).has_adapter


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_in_the_adapter_is_refused_naming_the_tensor(tiny_model_dir, adapter, value):
    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight"

    def poison(tensors):
        tensors[name][0, 0] = value

    rewrite(adapter, poison)
    with pytest.raises(AdapterError, match=r"layers\.0\.self_attn\.q_proj\.lora_B"):
        load_model(tiny_model_dir, OPTIONS, adapter=adapter)


def test_truncated_and_garbled_files_are_named(adapter):
    whole = (adapter / WEIGHTS).read_bytes()
    for damaged in (whole[:-10], whole[:4], b"\xff" * 64, b"", whole[:8] + b"}" + whole[9:]):
        (adapter / WEIGHTS).write_bytes(damaged)
        with pytest.raises(AdapterError, match=WEIGHTS):
            read_tensor_headers(adapter / WEIGHTS)


@pytest.mark.parametrize("init", ["pissa", "pissa_niter_16", "corda", "olora"])
def test_initialisations_that_change_the_base_are_refused(tiny_model_dir, adapter, init):
    edit_config(adapter, init_lora_weights=init)
    with pytest.raises(AdapterError, match="changes the base weights"):
        load_model(tiny_model_dir, OPTIONS, adapter=adapter)
