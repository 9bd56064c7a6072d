"""A whole model on trial: a healthy fine-tune and a healthy merge hold, and each planted fault is found by its own check."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.checks import integrity
from harness.checks.integrity.model_files import ModelFiles
from harness.errors import ModelError
from harness.gates import Check
from harness.models.loading import LoadOptions, load_model

OPTIONS = LoadOptions("float32", "cpu")
WEIGHTS = "model.safetensors"
MODEL_CHECKS: Sequence[Callable[[ModelFiles], Check]] = (
    integrity.model_is_complete,
    integrity.model_is_finite,
    integrity.model_changes_are_even,
    integrity.model_keeps_the_tokens,
    integrity.model_keeps_the_template,
    integrity.model_ends_answers,
)


def trained(base: Path, directory: Path, **saving: Any) -> Path:
    """The base after a few steps of full fine-tuning on two texts."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(base), AutoTokenizer.from_pretrained(base)
    ids = tokenizer("The quick brown fox jumps over the lazy dog", return_tensors="pt")["input_ids"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
    model.save_pretrained(directory, **saving)
    tokenizer.save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def tuned_dir(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tiny_model_dir, tmp_path_factory.mktemp("tuned") / "model")


@pytest.fixture
def tuned(tuned_dir: Path, tiny_model_dir: Path, tmp_path: Path) -> ModelFiles:
    """A copy of a healthy fine-tune, to be damaged."""
    return ModelFiles(Path(shutil.copytree(tuned_dir, tmp_path / "tuned")), tiny_model_dir, OPTIONS)


def failed(files: ModelFiles) -> dict[str, Check]:
    """The checks that the model does not pass, by name."""
    files = replace(files)  # forgets what it has read
    return {check.name: check for check in (one(files) for one in MODEL_CHECKS) if not check.holds}


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def edit_tensor(files: ModelFiles, name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    tensors = load_file(files.directory / WEIGHTS)
    tensors[name] = change(tensors[name])
    save_file(tensors, files.directory / WEIGHTS, metadata={"format": "pt"})


def test_a_healthy_fine_tune_holds(tuned: ModelFiles) -> None:
    assert failed(tuned) == {}


def test_one_in_shards_and_in_bfloat16_holds(tiny_model_dir: Path, tuned: ModelFiles, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tuned.directory, dtype=torch.bfloat16)
    (tuned.directory / WEIGHTS).unlink()
    model.save_pretrained(tuned.directory, max_shard_size="100KB")
    assert (tuned.directory / "model.safetensors.index.json").is_file()
    assert failed(tuned) == {}


def test_a_healthy_merge_holds_and_its_untouched_tensors_are_the_bases(
    tiny_model_dir: Path, adapter: Path, tmp_path: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    merged = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model_dir), adapter).merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    AutoTokenizer.from_pretrained(tiny_model_dir).save_pretrained(tmp_path / "merged")
    files = ModelFiles(tmp_path / "merged", tiny_model_dir, OPTIONS)
    assert failed(files) == {}
    details = integrity.model_changes_are_even(files).details
    assert (details["changed"], details["as_the_base"]) == (14, 6)


def test_the_base_saved_again_has_no_effect(tuned: ModelFiles, tiny_model_dir: Path) -> None:
    shutil.copy(tiny_model_dir / WEIGHTS, tuned.directory / WEIGHTS)
    assert failed(tuned).keys() == {"model_change"}
    base, candidate = (load_model(path, OPTIONS) for path in (tiny_model_dir, tuned.directory))
    seen = integrity.Observed(candidate, base)
    assert not integrity.changes_the_base(candidate, least_kl=1e-4, observed=seen).holds


@pytest.mark.parametrize("fault", ["lost", "cut off"])
def test_a_shard_that_is_lost_or_cut_off(tuned: ModelFiles, fault: str) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tuned.directory)
    (tuned.directory / WEIGHTS).unlink()
    model.save_pretrained(tuned.directory, max_shard_size="100KB")
    shard = sorted(tuned.directory.glob("model-*.safetensors"))[1]
    shard.unlink() if fault == "lost" else shard.write_bytes(shard.read_bytes()[:-64])
    check = integrity.model_is_complete(replace(tuned))
    assert not check.holds
    assert shard.name in check.reason


def test_a_tensor_that_is_missing_or_left_over(tuned: ModelFiles) -> None:
    tensors = load_file(tuned.directory / WEIGHTS)
    tensors["model.layers.0.mlp.up_proj.lora_A.weight"] = torch.ones(2, 2)
    save_file(tensors, tuned.directory / WEIGHTS, metadata={"format": "pt"})
    assert "no parameter takes them" in failed(tuned)["model_files"].reason
    del tensors["model.layers.0.mlp.up_proj.weight"]
    save_file(tensors, tuned.directory / WEIGHTS, metadata={"format": "pt"})
    assert "would be random" in failed(tuned)["model_files"].reason


def test_a_head_that_differs_from_the_embeddings_it_is_tied_to(tuned: ModelFiles) -> None:
    tensors = load_file(tuned.directory / WEIGHTS)
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"] + 1
    save_file(tensors, tuned.directory / WEIGHTS, metadata={"format": "pt"})
    assert "servers take one or the other" in failed(tuned)["model_files"].reason


def test_code_beside_the_weights(tuned: ModelFiles) -> None:
    (tuned.directory / "modeling.py").touch()
    assert "modeling.py" in failed(tuned)["model_files"].reason
    assert failed(replace(tuned, options=replace(OPTIONS, trust_remote_code=True))) == {}


def test_a_value_that_is_no_number(tuned: ModelFiles) -> None:
    name = "model.layers.1.mlp.down_proj.weight"
    edit_tensor(tuned, name, lambda tensor: tensor.index_fill(0, torch.tensor([3]), torch.nan))
    assert name in failed(tuned)["model_finite"].reason


@pytest.mark.parametrize("name", ["model.layers.1.mlp.down_proj.weight", "model.layers.0.input_layernorm.weight"])
def test_one_layer_that_ran_away(tuned: ModelFiles, name: str) -> None:
    edit_tensor(tuned, name, lambda tensor: tensor + torch.randn(tensor.shape, generator=torch.manual_seed(0)))
    assert failed(tuned).keys() == {"model_change"}
    assert name in failed(tuned)["model_change"].reason


def test_a_tokenizer_that_splits_otherwise(tuned: ModelFiles) -> None:
    file = tuned.directory / "tokenizer.json"
    tokenizer = json.loads(file.read_text())
    tokenizer["model"]["merges"] = tokenizer["model"]["merges"][:-150]
    file.write_text(json.dumps(tokenizer))
    assert "where the base has" in failed(tuned)["model_tokenizer"].reason


def test_tokens_may_be_added_with_their_embeddings_and_not_without(tuned: ModelFiles) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tuned.directory)
    tokenizer.add_tokens(["<think>"])
    tokenizer.save_pretrained(tuned.directory)
    assert "embeddings" in failed(tuned)["model_tokenizer"].reason
    model = AutoModelForCausalLM.from_pretrained(tuned.directory)
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(tuned.directory)
    assert failed(tuned) == {}


def test_another_chat_template_fails_unless_it_was_chosen(tuned: ModelFiles) -> None:
    template = (tuned.directory / "chat_template.jinja").read_text().replace("assistant", "model")
    (tuned.directory / "chat_template.jinja").write_text(template)
    assert failed(tuned).keys() == {"model_template"}
    assert failed(replace(tuned, options=replace(OPTIONS, chat_template=template))) == {}
    (tuned.directory / "chat_template.jinja").unlink()
    assert "lost" in failed(tuned)["model_template"].reason


def test_an_end_of_answers_that_was_lost(tuned: ModelFiles, tiny_model_dir: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(tiny_model_dir, tmp_path / "base"))
    end = json.loads((base / "generation_config.json").read_text())["eos_token_id"]
    edit(base / "generation_config.json", eos_token_id=[end, 0])
    assert "<|endoftext|>" in failed(replace(tuned, base=base))["model_ending"].reason
    edit(tuned.directory / "generation_config.json", eos_token_id=0)
    assert "model_ending" in failed(tuned)


def test_an_index_left_over_beside_the_whole_file_counts_for_nothing(tuned: ModelFiles) -> None:
    (tuned.directory / "model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "model-00001-of-00002.safetensors"}}'
    )
    assert integrity.model_is_complete(tuned).holds


@pytest.mark.parametrize("key", ["hidden_size", "tie_word_embeddings", "eos_token_id"])
def test_a_configuration_of_wrong_types_is_told(tuned: ModelFiles, key: str) -> None:
    config = tuned.directory / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), key: "64"}))
    check = integrity.model_is_complete(tuned)
    assert not check.holds and f"Validation error for field '{key}'" in check.reason
    with pytest.raises(ModelError, match="no tokenizer could be read"):
        integrity.model_ends_answers(tuned)


@pytest.mark.parametrize("eos", ["2", -1, 2.5, True, [2, None, {}]])
def test_an_eos_that_is_no_token_is_told(tuned: ModelFiles, eos: object) -> None:
    (tuned.directory / "generation_config.json").write_text(json.dumps({"eos_token_id": eos}))
    with pytest.raises(ModelError, match=r"generation_config.json gives eos_token_id"):
        integrity.model_ends_answers(tuned)


def test_an_eos_beyond_the_vocabulary_is_shown_as_its_id(tuned: ModelFiles) -> None:
    (tuned.directory / "generation_config.json").write_text(json.dumps({"eos_token_id": 99999999}))
    check = integrity.model_ends_answers(tuned)
    assert not check.holds and "model.generate stops at 99999999 alone" in check.reason
