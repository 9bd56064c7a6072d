"""Adapters of other tasks and methods are refused for what they are, not told to find another base."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import AdapterError
from harness.models.adapters.tensors import match_tensors
from harness.models.loading import LoadOptions, load_model

OPTIONS = LoadOptions(dtype="float32", device="cpu")


def save_as(config: Any, base: Path, directory: Path) -> Path:
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM

    get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).save_pretrained(directory)
    return directory


def configure(adapter: Path, **changes: Any) -> None:
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("task", ["SEQ_CLS", "TOKEN_CLS", "FEATURE_EXTRACTION"])
def test_another_task_is_refused_by_name(tiny_model_dir, adapter, task):
    configure(adapter, task_type=task)
    with pytest.raises(AdapterError, match=f"task_type '{task}'"):
        load_model(tiny_model_dir, OPTIONS, adapter=adapter)


def test_no_task_is_as_good_as_causal_language_modelling(tiny_model_dir, adapter):
    configure(adapter, task_type=None)
    assert load_model(tiny_model_dir, OPTIONS, adapter=adapter).has_adapter


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"peft_type": "MAGIC"}, "peft_type 'MAGIC'"),
        ({"alpha_pattern": {"(q_proj": 8}}, "cannot be put on"),
        ({"rank_pattern": ["q_proj"]}, "cannot be put on"),
    ],
)
def test_what_peft_trips_over_is_an_error_with_a_remedy(tiny_model_dir, adapter, changes, said):
    configure(adapter, **changes)
    with pytest.raises(AdapterError, match=said) as caught:
        match_tensors(adapter, tiny_model_dir)
    assert caught.value.remedy


def test_virtual_tokens_are_refused_for_what_they_are(tiny_model_dir, tmp_path):
    from peft import PromptTuningConfig

    adapter = save_as(PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4), tiny_model_dir, tmp_path / "a")
    with pytest.raises(AdapterError, match="peft_type 'PROMPT_TUNING', which puts trained vectors") as caught:
        match_tensors(adapter, tiny_model_dir)
    assert "--model" not in caught.value.remedy


def test_vera_is_refused_with_its_projections_and_read_without(tiny_model_dir, tmp_path):
    from peft import VeraConfig

    config = {"task_type": "CAUSAL_LM", "r": 4, "target_modules": ["q_proj"]}
    shared = save_as(VeraConfig(**config, save_projection=True), tiny_model_dir, tmp_path / "shared")
    with pytest.raises(AdapterError, match=r"'VERA', which keeps base_model\.vera_A") as caught:
        match_tensors(shared, tiny_model_dir)
    assert "save_projection=False" in caught.value.remedy
    alone = save_as(VeraConfig(**config, save_projection=False), tiny_model_dir, tmp_path / "alone")
    assert match_tensors(alone, tiny_model_dir).holds


@pytest.mark.parametrize("kind", ["XLORA", "POLY"])
def test_what_acts_by_more_than_the_tokens_so_far_is_refused_for_what_it_is(tiny_model_dir, adapter, kind):
    configure(adapter, peft_type=kind)
    with pytest.raises(AdapterError, match=f"{kind}.* act by the whole text"):
        match_tensors(adapter, tiny_model_dir)


def test_what_peft_places_by_the_bases_weights_is_refused_for_what_it_is(tiny_model_dir, tmp_path):
    from peft import ShiraConfig

    shira = save_as(ShiraConfig(r=4, target_modules=["q_proj"], task_type="CAUSAL_LM"), tiny_model_dir, tmp_path)
    with pytest.raises(AdapterError, match=r"peft_type 'SHIRA'.* by the values of the base's weights") as caught:
        match_tensors(shira, tiny_model_dir)
    assert "LoRA" in caught.value.remedy


def test_a_configuration_of_megatron_imports_nothing(tiny_model_dir, adapter, tmp_path, monkeypatch):
    (tmp_path / "named_by_the_adapter.py").write_text("raise SystemExit('code of an adapter ran')")
    monkeypatch.syspath_prepend(tmp_path)
    configure(adapter, megatron_config={"tensor_model_parallel_size": 1}, megatron_core="named_by_the_adapter")
    assert load_model(tiny_model_dir, OPTIONS, adapter=adapter).has_adapter
