"""Who a subject is: kept answers are found by it, so a plain base and an adapter on it stay who they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from harness.errors import ConfigError
from harness.models.resolve import ResolvedAdapter, ResolvedModel
from harness.models.stack import Stack
from harness.models.subject import Subject, chosen_template


@pytest.fixture
def base(tmp_path: Path) -> Subject:
    directory = tmp_path / "base"
    directory.mkdir()
    save_file({"w": torch.arange(4.0)}, directory / "model.safetensors")
    for name, text in (
        ("config.json", '{"model_type": "llama", "vocab_size": 4}'),
        ("tokenizer.json", '{"version": "1.0"}'),
        ("tokenizer_config.json", '{"eos_token": "</s>"}'),
        ("chat_template.jinja", "{{ messages }}"),
        ("generation_config.json", '{"eos_token_id": 2}'),
    ):
        (directory / name).write_text(text)
    return Subject(ResolvedModel("base", directory), "float32")


@pytest.fixture
def adapter(tmp_path: Path) -> ResolvedAdapter:
    directory = tmp_path / "adapter"
    directory.mkdir()
    save_file({"a": torch.ones(2)}, directory / "adapter_model.safetensors")
    config = '{"peft_type": "LORA", "r": 2, "target_modules": ["q_proj", "k_proj"]}'
    (directory / "adapter_config.json").write_text(config)
    return ResolvedAdapter("adapter", directory)


def test_the_digests_of_a_base_and_of_an_adapter_on_it_are_those_of_old_answers(
    base: Subject, adapter: ResolvedAdapter
) -> None:
    assert base.identity().digest == "eac089c1709cb4ad7a24cd7c9fc8fde3df9a88198ed6b558377f05888dca90ff"
    candidate = replace(base, adapter=adapter, quantization="nf4")
    assert candidate.identity().digest == "740e13d534923dd9be778a864c7c9e7e3056ba4d98ea4220a2352207aff0f89c"


def test_a_template_that_is_the_models_own_changes_nothing_and_another_does(base: Subject) -> None:
    assert replace(base, chat_template="{{ messages }}").identity() == base.identity()
    assert replace(base, chat_template="{{ other }}").identity() != base.identity()
    assert replace(base, template_args={"enable_thinking": False}).identity() != base.identity()


def test_a_stack_is_its_adapters_in_their_order_with_their_weights_and_combination(
    base: Subject, adapter: ResolvedAdapter
) -> None:
    stacks = [
        Stack([adapter.directory], [0.5]),
        Stack([adapter.directory], [1.0]),
        Stack([adapter.directory] * 2, [0.5, 1.0]),
        Stack([adapter.directory] * 2, [1.0, 0.5]),
        Stack([adapter.directory] * 2, [1.0, 0.5], "svd"),
        Stack([adapter.directory] * 2, [1.0, 0.5], "ties", 0.5),
    ]
    assert len({replace(base, adapter=adapter, stack=one).identity().digest for one in stacks}) == len(stacks)


def test_one_model_in_memory_serves_what_differs_in_adapter_and_template_alone(
    base: Subject, adapter: ResolvedAdapter
) -> None:
    own = base.identity()
    assert replace(base, adapter=adapter, chat_template="{{ other }}").identity().shares_weights_with(own)
    assert not replace(base, quantization="nf4").identity().shares_weights_with(own)
    assert not replace(base, adapter=adapter, dtype="bfloat16").identity().shares_weights_with(own)


def test_a_template_that_is_not_there_is_named(adapter: ResolvedAdapter, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no chat template lies beside"):
        chosen_template("adapter", adapter)
    with pytest.raises(ConfigError, match=r"none\.jinja is missing"):
        chosen_template(str(tmp_path / "none.jinja"), None)
