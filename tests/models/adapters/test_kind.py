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
        ({"r": 0}, "cannot be put on"),
        ({"target_modules": "(q_proj"}, "cannot be put on"),
    ],
)
def test_what_peft_trips_over_is_an_error_with_a_remedy_that_names_the_configuration(
    tiny_model_dir, adapter, changes, said
):
    configure(adapter, **changes)
    with pytest.raises(AdapterError, match=said) as caught:
        match_tensors(adapter, tiny_model_dir)
    assert caught.value.remedy and "--model" not in caught.value.remedy


def test_targets_that_the_base_has_not_ask_for_the_base_it_was_trained_for(tiny_model_dir, adapter):
    configure(adapter, target_modules=["c_attn"])
    with pytest.raises(AdapterError, match="cannot be put on") as caught:
        match_tensors(adapter, tiny_model_dir)
    assert "--model" in caught.value.remedy


def test_a_configuration_of_megatron_imports_nothing(tiny_model_dir, adapter, tmp_path, monkeypatch):
    (tmp_path / "named_by_the_adapter.py").write_text("raise SystemExit('code of an adapter ran')")
    monkeypatch.syspath_prepend(tmp_path)
    configure(adapter, megatron_config={"tensor_model_parallel_size": 1}, megatron_core="named_by_the_adapter")
    assert load_model(tiny_model_dir, OPTIONS, adapter=adapter).has_adapter
