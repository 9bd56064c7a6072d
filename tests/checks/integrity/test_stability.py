"""Determinism, switching, padding, saving, serving: each planted fault is seen, the healthy adapter has none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.checks import integrity
from harness.models.loading import LoadedModel, LoadOptions, load_model

OPTIONS = LoadOptions("float32", "cpu")


@pytest.fixture
def loaded(tiny_model_dir: Path, adapter: Path) -> LoadedModel:
    return load_model(tiny_model_dir, OPTIONS, adapter=adapter)


def lora_layer(loaded: LoadedModel) -> torch.nn.Module:
    layer: torch.nn.Module = loaded.in_memory().model.base_model.model.model.layers[1].mlp.up_proj
    return layer


@pytest.mark.parametrize(("dtype", "quantization"), [("float32", "none"), ("bfloat16", "none"), ("bfloat16", "nf4")])
def test_a_healthy_adapter_holds(tiny_model_dir: Path, adapter: Path, dtype: str, quantization: str) -> None:
    loaded = load_model(tiny_model_dir, LoadOptions(dtype, "cpu", quantization), adapter=adapter)
    checks = [
        integrity.answers_repeat(loaded),
        integrity.switches_cleanly(loaded),
        integrity.padding_changes_nothing(loaded, most_kl=0.02),
        integrity.survives_saving(loaded, adapter),
        integrity.merges_cleanly(loaded, most_kl=0.02),
    ]
    assert [check.reason for check in checks if not check.holds] == []
    assert len({check.name for check in checks}) == 5


def test_dropout_left_on_is_no_determinism(loaded: LoadedModel) -> None:
    lora_layer(loaded).lora_dropout["default"] = torch.nn.Dropout(0.5).train()  # type: ignore[operator, index]
    check = integrity.answers_repeat(loaded)
    assert not check.holds
    assert check.details["differing_positions"] > 0
    assert "dropout" in check.remedy


def test_an_adapter_that_leaves_something_in_the_base_is_told(loaded: LoadedModel) -> None:
    """As a merge that was never undone would: each time it is on, the base's weights move."""

    def grow(module: torch.nn.Module, inputs: object, output: object) -> None:
        if not module.disable_adapters:
            module.base_layer.weight.data.mul_(1.01)  # type: ignore[union-attr, operator]

    lora_layer(loaded).register_forward_hook(grow)
    check = integrity.switches_cleanly(loaded)
    assert not check.holds
    assert "predictions of the base are others" in check.reason


def test_a_model_that_reads_its_padding_is_told(loaded: LoadedModel) -> None:
    forward = loaded.in_memory().model.forward
    loaded.in_memory().model.forward = lambda **kwargs: forward(input_ids=kwargs["input_ids"], use_cache=False)
    check = integrity.padding_changes_nothing(loaded, most_kl=1e-4)
    assert not check.holds
    assert "attention mask" in check.remedy


def test_a_tensor_that_was_not_loaded_as_it_is_in_the_file_is_named(loaded: LoadedModel, adapter: Path) -> None:
    lora_layer(loaded).lora_B["default"].weight.data[0, 0] += 1  # type: ignore[index, union-attr]
    check = integrity.survives_saving(loaded, adapter)
    assert not check.holds
    assert check.details["tensors"] == ["base_model.model.model.layers.1.mlp.up_proj.lora_B.weight"]


def test_measuring_what_is_not_served_is_told_with_the_options_that_would() -> None:
    hold = integrity.precision_is_as_served
    assert hold(("bfloat16", "nf4"), ("bfloat16", "nf4")).holds
    assert hold(("bfloat16", "nf4"), (None, "nf4")).holds
    check = hold(("bfloat16", "none"), ("float16", "nf4"))
    assert not check.holds
    assert "measured with dtype bfloat16, served with float16" in check.reason
    assert check.remedy.startswith("--dtype=float16 --quantization=nf4")
