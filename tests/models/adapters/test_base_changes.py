"""With an adapter switched off the model must be the base: what keeps it from that is refused by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.errors import AdapterError, ModelError
from harness.models.adapters.files import CONFIG
from harness.models.adapters.tensors import match_tensors
from harness.models.loading import LoadOptions, load_model
from harness.training.arguments import is_converted, peft_objection

OPTIONS = LoadOptions(dtype="float32", device="cpu")
CHANGES: list[dict[str, Any]] = [
    *({"init_lora_weights": init} for init in ("pissa", "pissa_niter_16", "PiSSA", "corda", "olora", "OLoRA")),
    *({"init_lora_weights": init} for init in ("lora_ga", "LoRA-GA", "loftq", "an_initialisation_of_2030")),
    {"layer_replication": [[0, 2], [1, 2]]},
    {"kasa_config": {"beta": 0.01}},
]


def configure(adapter: Path, **changes: Any) -> None:
    path = adapter / CONFIG
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_what_changes_the_base_is_refused_of_adapters_and_of_recipes(tiny_model_dir, adapter, changes):
    configure(adapter, **changes)
    [(key, value)] = changes.items()
    for refused in (
        lambda: match_tensors(adapter, tiny_model_dir),
        lambda: load_model(tiny_model_dir, OPTIONS, adapter=adapter),
    ):
        with pytest.raises(AdapterError) as caught:
            refused()
        assert f"{key}={value!r}" in caught.value.problem
        assert key in caught.value.remedy
    assert bool(peft_objection(key, value)) != is_converted(value)  # what a recipe trains can be converted


@pytest.mark.parametrize("init", ["pissa", "pissa_niter_16", "PiSSA", "OLoRA"])
def test_of_initialisations_only_those_are_converted_that_peft_takes_out_again(init):
    assert is_converted(init)
    assert not any(map(is_converted, (True, None, "corda", "loftq", "lora_ga", "gaussian")))


@pytest.mark.parametrize("init", [True, False, None, "gaussian", "eva", "orthogonal"])
def test_initialisations_that_leave_the_base_alone_load_with_the_base_intact(tiny_model_dir, adapter, init):
    configure(adapter, init_lora_weights=init)
    ids = torch.tensor([[5, 6, 7, 8]])
    loaded = load_model(tiny_model_dir, OPTIONS, adapter=adapter)
    with torch.no_grad(), loaded.adapter(on=False) as off:
        assert torch.equal(off(ids).logits, load_model(tiny_model_dir, OPTIONS).in_memory().model(ids).logits)
    assert (peft_objection("init_lora_weights", init) is None) == (
        init != "eva"
    )  # which needs rows of its own to start by


def test_micas_minor_components_leave_the_base_alone():
    assert peft_objection("init_lora_weights", "MiCA") is None


def test_trained_biases_are_refused_of_recipes_alone(tiny_model_dir, adapter):
    assert peft_objection("bias", "lora_only")
    assert peft_objection("bias", "none") is None
    configure(adapter, bias="lora_only")
    assert load_model(tiny_model_dir, OPTIONS, adapter=adapter).in_memory().biases == []  # this base has none to train


def test_an_adapter_left_beside_a_base_is_refused_before_transformers_puts_it_on(tiny_model_dir, adapter, tmp_path):
    base = shutil.copytree(tiny_model_dir, tmp_path / "base")
    shutil.copytree(adapter, base, dirs_exist_ok=True)
    with pytest.raises(ModelError, match=f"holds {CONFIG} beside the model"):
        load_model(base, OPTIONS)
