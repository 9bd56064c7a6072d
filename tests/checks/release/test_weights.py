"""On what weights an adapter ships: a base that was saved in another way is the same base, and one that differs is not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from project import ROWS, TASK
from safetensors.torch import load_file, save_file
from tiny import save_tiny_adapter

from harness.checks import release
from harness.config import Config
from harness.config.settings import make_settings
from harness.models.export import Source, Target, export
from harness.session import Session

Tensors = dict[str, torch.Tensor]
EMBEDDINGS = "model.embed_tokens.weight"


def rows(tensors: Tensors, count: int) -> Tensors:
    embeddings = tensors[EMBEDDINGS]
    padded = torch.cat([embeddings, torch.zeros(max(count, 0), embeddings.shape[1])])
    return {**tensors, EMBEDDINGS: padded[: len(embeddings) + count].contiguous()}


def half(tensors: Tensors) -> Tensors:
    return {name: tensor.half() for name, tensor in tensors.items()}


def bfloat16(tensors: Tensors) -> Tensors:
    return {name: tensor.bfloat16() for name, tensor in tensors.items()}


def headless(tensors: Tensors) -> Tensors:
    return {name.removeprefix("model."): tensor for name, tensor in tensors.items()}


def noisy(tensors: Tensors) -> Tensors:
    """By less than any text shows."""
    noise = torch.Generator().manual_seed(0)
    return {
        name: tensor + 0.002 * torch.randn(tensor.shape, generator=noise) if "proj" in name else tensor
        for name, tensor in tensors.items()
    }


def rewrite(model: Path, copy: Path, change: Callable[[Tensors], Tensors]) -> Path:
    shutil.copytree(model, copy)
    tensors = change(load_file(copy / "model.safetensors"))
    save_file(tensors, copy / "model.safetensors", {"format": "pt"})
    config = json.loads((copy / "config.json").read_text())
    config["vocab_size"] = len(next(one for name, one in tensors.items() if name in EMBEDDINGS))
    (copy / "config.json").write_text(json.dumps(config))
    return copy


def in_two_files(model: Path) -> Path:
    tensors = load_file(model / "model.safetensors")
    (model / "model.safetensors").unlink()
    places = {name: f"model-0000{1 + index % 2}-of-00002.safetensors" for index, name in enumerate(sorted(tensors))}
    for place in set(places.values()):
        save_file({name: tensors[name] for name in tensors if places[name] == place}, model / place, {"format": "pt"})
    (model / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return model


@pytest.fixture
def shipping(learner_dir: Path, tmp_path: Path) -> Callable[..., release.Shipping]:
    """Of an adapter of the tiny model, on another directory."""
    (tmp_path / "pets.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS[:2]))
    adapter = save_tiny_adapter(learner_dir, tmp_path / "adapter", scale=0.1)
    config = Config(root=tmp_path, tasks={"pets": TASK})

    def ship(directory: Path, approved: Path = learner_dir) -> release.Shipping:
        spec = json.dumps({"model": str(directory), "adapter": str(adapter)})
        return Session(make_settings(config, model=str(approved), adapter=str(adapter), shipped=spec)).shipping

    return ship


@pytest.mark.parametrize("change", [half, bfloat16, headless, lambda tensors: rows(tensors, 8)])
def test_another_way_to_save_is_the_same_base(
    change: Callable[[Tensors], Tensors], shipping: Callable[..., release.Shipping], learner_dir: Path, tmp_path: Path
) -> None:
    assert release.files_are_whole(shipping(rewrite(learner_dir, tmp_path / "copy", change))).holds


def test_so_are_parts_with_an_index_and_without_it_they_are_no_model(
    shipping: Callable[..., release.Shipping], learner_dir: Path, tmp_path: Path
) -> None:
    copy = in_two_files(Path(shutil.copytree(learner_dir, tmp_path / "copy")))
    assert release.files_are_whole(shipping(copy)).holds
    (copy / "model.safetensors.index.json").unlink()
    assert "2 parts of a model and no" in release.files_are_whole(shipping(copy)).reason


def test_one_half_precision_may_be_approved_and_the_other_ship(
    shipping: Callable[..., release.Shipping], learner_dir: Path, tmp_path: Path
) -> None:
    """Whichever of the two was made from the other."""
    in_half = rewrite(learner_dir, tmp_path / "half", half)
    approved = rewrite(in_half, tmp_path / "approved", bfloat16)
    assert release.files_are_whole(shipping(in_half, approved)).holds
    assert release.files_are_whole(shipping(approved, in_half)).holds


@pytest.mark.parametrize("change", [noisy, lambda tensors: headless(noisy(tensors))])
def test_other_weights_are_told_under_any_name(
    change: Callable[[Tensors], Tensors], shipping: Callable[..., release.Shipping], learner_dir: Path, tmp_path: Path
) -> None:
    check = release.files_are_whole(shipping(rewrite(learner_dir, tmp_path / "copy", change)))
    assert not check.holds and "other weights than the candidate" in check.reason


@pytest.mark.parametrize(
    ("changed", "holds"),
    [("", True), ("input_layernorm", False), ("down_proj", False), ("q_proj", True)],
    ids=["nothing", "a norm", "a layer without the adapter", "a layer with it"],
)
def test_what_the_adapter_leaves_alone_is_the_bases_in_a_merged_model(
    changed: str, holds: bool, shipping: Callable[..., release.Shipping], learner_dir: Path, tmp_path: Path
) -> None:
    """In any type; what the adapter changed is judged by how it acts."""
    adapter = save_tiny_adapter(learner_dir, tmp_path / "queries", targets=["q_proj", "v_proj"], scale=0.1)

    def change(tensors: Tensors) -> Tensors:
        return {name: one + 0.02 if changed and changed in name else one for name, one in half(tensors).items()}

    other = rewrite(learner_dir, tmp_path / "other", change)
    merged = export(Source("candidate", other, adapter, {}), Target("merged"), tmp_path / "merged")
    config = Config(root=tmp_path, tasks={"pets": TASK})
    measured = Session(
        make_settings(config, model=str(learner_dir), adapter=str(adapter), shipped=str(merged))
    ).shipping
    check = release.files_are_whole(measured)
    assert check.holds == holds
    assert holds or "merged into other weights" in check.reason


def test_embeddings_that_lack_a_token_of_the_candidates_are_no_crash(
    shipping: Callable[..., release.Shipping], learner_dir: Path, tmp_path: Path
) -> None:
    cut = rewrite(learner_dir, tmp_path / "cut", lambda tensors: rows(tensors, -4))
    check = release.acts_as_the_candidate(shipping(cut), most_share=0.25, most_flips=0.05, least_strength=0.85)
    assert not check.holds and "embeddings" in check.reason
