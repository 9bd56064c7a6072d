"""Switched off, the model is the base: seen to hold for every healthy kind, and to fail on what no list of kinds names."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import save_tiny_model, save_tiny_moe

from harness.checks.integrity import base_is_intact, merges_cleanly, survives_saving, switches_cleanly
from harness.errors import ModelError
from harness.models import loading
from harness.models.adapters import kind
from harness.models.loading import LoadedModel, LoadOptions, load_model
from harness.models.probing import PROBE_TEXTS, probe_log_probs

FLOAT32 = LoadOptions("float32", "cpu")
BFLOAT16 = LoadOptions("bfloat16", "cpu")
FLOAT16 = LoadOptions("float16", "cpu")
NF4 = LoadOptions("bfloat16", "cpu", "nf4")
INT8 = LoadOptions("bfloat16", "cpu", "int8")


@pytest.fixture(scope="module")
def biased_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model whose linear layers all have biases."""
    return save_tiny_model(tmp_path_factory.mktemp("biased") / "model", attention_bias=True, mlp_bias=True)


def save_adapter(base: Path, directory: Path, **lora: Any) -> Path:
    """An adapter all of whose trained values are drawn anew, those of the base it may train among them."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(3)
    lora = {"r": 4, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM", **lora}
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), LoraConfig(**lora))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    model.save_pretrained(directory)
    return directory


@pytest.mark.parametrize(
    "lora",
    [
        {"use_rslora": True},
        {"use_dora": True},
        {"modules_to_save": ["lm_head"]},
        {"trainable_token_indices": [5, 6]},
        {"lora_bias": True},
    ],
    ids=lambda lora: next(iter(lora)),
)
def test_healthy_kinds_leave_the_base_alone(biased_dir: Path, tmp_path: Path, lora: dict[str, Any]) -> None:
    check = base_is_intact(load_model(biased_dir, FLOAT32, adapter=save_adapter(biased_dir, tmp_path / "a", **lora)))
    assert check.holds
    assert check.details["largest_shift"] == 0
    assert check.details["biases_put_back"] == []


def test_so_do_adapters_of_fused_experts(tmp_path: Path) -> None:
    base = save_tiny_moe(tmp_path / "moe")
    experts = {"target_modules": [], "target_parameters": ["experts.gate_up_proj", "experts.down_proj"]}
    loaded = load_model(base, FLOAT32, adapter=save_adapter(base, tmp_path / "a", **experts))
    assert base_is_intact(loaded).details["largest_shift"] == 0


@pytest.mark.parametrize(
    ("bias", "options"),
    [("lora_only", FLOAT32), ("all", FLOAT32), ("all", BFLOAT16), ("all", NF4), ("lora_only", INT8)],
)
def test_trained_biases_act_with_the_adapter_and_are_the_bases_own_without(
    biased_dir: Path, tmp_path: Path, bias: str, options: LoadOptions
) -> None:
    adapter = save_adapter(biased_dir, tmp_path / "a", bias=bias)
    loaded = load_model(biased_dir, options, adapter=adapter)
    check = base_is_intact(loaded)
    assert check.holds
    assert len(check.details["biases_put_back"]) == {"lora_only": 4, "all": 14}[bias]
    assert "serve it merged" in check.reason
    for check in (switches_cleanly(loaded), survives_saving(loaded, adapter), merges_cleanly(loaded, most_kl=0.02)):
        assert check.holds, check.reason
    with warnings.catch_warnings(action="error"), loaded.adapter(on=False), loaded.adapter(on=False):
        assert not loaded.in_memory().biases[0].is_changed
    assert loaded.in_memory().biases[0].is_changed  # on again, the trained ones are back


def test_with_trained_biases_on_the_candidate_is_what_peft_makes_of_it(biased_dir: Path, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    adapter = save_adapter(biased_dir, tmp_path / "a", bias="all")
    loaded = load_model(biased_dir, FLOAT32, adapter=adapter)
    base_is_intact(loaded)
    by_peft = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(biased_dir), adapter).eval()
    assert torch.equal(
        probe_log_probs(loaded.in_memory().model, loaded.tokenizer), probe_log_probs(by_peft, loaded.tokenizer)
    )


Plant = Callable[[LoadedModel], object]


def scale_a_weight(loaded: LoadedModel) -> None:
    """As a method would that edits the base in place."""
    layer(loaded).base_layer.weight.data.mul_(1.01)


def leak_in_the_forward(loaded: LoadedModel) -> None:
    """As a wrapper would that goes on adding something while it is off."""
    layer(loaded).base_layer.register_forward_hook(lambda module, inputs, output: output * 1.01)


def leave_an_embedding(loaded: LoadedModel) -> None:
    """One token of the probe texts has its trained embedding."""
    token = loaded.tokenizer(PROBE_TEXTS[0])["input_ids"][3]
    loaded.in_memory().model.get_input_embeddings().weight.data[token] *= 1.01


def drop_at_random(loaded: LoadedModel) -> None:
    """What differs from one time to the next is no rounding of the base."""
    layer(loaded).base_layer.register_forward_hook(lambda module, inputs, output: output.bernoulli(0.5))


def resize(loaded: LoadedModel) -> None:
    """Tokens were added to the base."""
    loaded.in_memory().model.resize_token_embeddings(len(loaded.tokenizer) + 8, mean_resizing=False)


def layer(loaded: LoadedModel) -> Any:
    return loaded.in_memory().model.base_model.model.model.layers[1].mlp.up_proj


@pytest.mark.parametrize(
    ("plant", "options"),
    [
        *((scale_a_weight, options) for options in (FLOAT32, BFLOAT16, FLOAT16, NF4)),
        *((plant, FLOAT32) for plant in (leak_in_the_forward, leave_an_embedding, drop_at_random, resize)),
    ],
)
def test_whatever_changes_the_base_fails(learner_dir: Path, tmp_path: Path, options: LoadOptions, plant: Plant) -> None:
    adapter = save_adapter(learner_dir, tmp_path / "a", target_modules=["up_proj"])
    loaded = load_model(learner_dir, options, adapter=adapter)
    assert base_is_intact(loaded).holds
    plant(loaded)
    check = base_is_intact(loaded)
    assert not check.holds
    assert check.reason.startswith("switched off, the model ")
    assert "merge it" in check.remedy


@pytest.mark.parametrize("init", ["pissa", "olora"])
def test_an_initialisation_that_no_list_knows_fails_by_what_it_does(
    learner_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, init: str
) -> None:
    monkeypatch.setattr(kind, "change_of_base", lambda key, value: None)
    adapter = save_adapter(learner_dir, tmp_path / "a", init_lora_weights=init)
    check = base_is_intact(load_model(learner_dir, FLOAT32, adapter=adapter))
    assert not check.holds
    assert check.details["kl_nats_per_token"] > 0.01


def test_biases_that_were_not_put_back_fail(biased_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "biases_of", lambda model: [])
    adapter = save_adapter(biased_dir, tmp_path / "a", bias="lora_only")
    assert not base_is_intact(load_model(biased_dir, FLOAT32, adapter=adapter)).holds


def test_a_shift_no_larger_than_the_bases_own_rounding_holds_and_is_told(tiny_model_dir: Path, adapter: Path) -> None:
    loaded = load_model(tiny_model_dir, FLOAT32, adapter=adapter)
    scale_a_weight(loaded)
    shift = base_is_intact(loaded).details["largest_shift"]
    assert shift > 0
    for rounding, holds in ((shift, True), (shift / 4, False)):
        object.__setattr__(loaded.plain, "rounding", rounding)
        check = base_is_intact(loaded)
        assert check.holds is holds
        assert "rounding" in check.reason


def test_a_base_that_predicts_nan_is_told_as_such(tiny_model_dir: Path, adapter: Path) -> None:
    loaded = load_model(tiny_model_dir, FLOAT32, adapter=adapter)
    layer(loaded).base_layer.weight.data[0, 0] = float("nan")
    check = base_is_intact(loaded)
    assert not check.holds
    assert "predictions of the base are NaN" in check.reason


def test_without_an_adapter_there_is_nothing_to_switch_off(tiny_model_dir: Path) -> None:
    with pytest.raises(ModelError, match="no adapter is attached"):
        base_is_intact(load_model(tiny_model_dir, FLOAT32))
