"""What a training leaves: an adapter as PEFT writes it, or a whole model, with no word of the machine it was made on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.models.adapters.contents import WEIGHTS
from harness.models.export.merging import stored_dtype
from harness.models.quiet import quiet_loading
from harness.training.recipe import Recipe

# Beside a model's weights: its configuration, tokenizer and template.
_BESIDE_WEIGHTS = ("*.json", "*.jinja", "*.txt", "*.model")
_INDEX = ".safetensors.index.json"
if TYPE_CHECKING:
    import torch

_TRAINED = "default"
_SETS = ("target_modules", "exclude_modules", "modules_to_save")


def save(
    model: Any,
    recipe: Recipe,
    base: Path,
    directory: Path,
    *,
    initial: Path | None,
    best: str | None,
    state: Mapping[str, torch.Tensor] | None = None,
) -> None:
    """Write what was trained.

    Args:
        base: directory of the base.
        initial: where an adapter lies as it started that is converted: off, it leaves the base then.
        state: its parameters, where each of several processes has but a part of them.
        best: a checkpoint whose weights are the adapter's; None: those of the model in memory are.
    """
    if recipe.trains_whole:
        _save_whole(model, recipe, base, directory, state)
        return
    _save_adapter(model, recipe, directory, None if initial is None else str(initial), state)
    if best is not None:
        shutil.copyfile(Path(best) / WEIGHTS, directory / WEIGHTS)


def _save_whole(
    model: Any, recipe: Recipe, base: Path, directory: Path, state: Mapping[str, torch.Tensor] | None
) -> None:
    """In the base's own precision, and with its own files beside: only weights were trained."""
    dtype = stored_dtype(base)
    if state is None:
        model.to(dtype)
    with quiet_loading():
        model.save_pretrained(directory, state_dict=state and {name: one.to(dtype) for name, one in state.items()})
    kept = {"config.json"} if recipe.how.task_type == "SEQ_CLS" else set()  # which has a head of its own
    for file in (file for pattern in _BESIDE_WEIGHTS for file in base.glob(pattern)):
        if file.name not in kept and not file.name.endswith(_INDEX):
            shutil.copyfile(file, directory / file.name)


def _save_adapter(
    model: Any, recipe: Recipe, directory: Path, initial: str | None, state: Mapping[str, torch.Tensor] | None
) -> None:
    # A path of this machine's cache means nothing where the adapter goes.
    name = Path(recipe.base).name if Path(recipe.base).is_absolute() else recipe.base
    config = model.peft_config[_TRAINED]
    config.base_model_name_or_path = name
    if getattr(config, "tokenizer_name_or_path", None):
        config.tokenizer_name_or_path = name
    # "auto" would look the base up on the hub, to learn whether its embeddings were resized; they never are here.
    model.save_pretrained(
        directory,
        selected_adapters=[_TRAINED],  # TRL puts another beside it where training goes on: what it was before
        safe_serialization=True,
        save_embedding_layers=False,
        path_initial_model_for_weight_conversion=initial,
        **({"state_dict": state} if state else {}),
    )
    (directory / "README.md").unlink(missing_ok=True)
    _settle_order(directory / "adapter_config.json")


def _settle_order(config_file: Path) -> None:
    """PEFT writes sets in hash order; equal adapters should be equal bytes."""
    config = json.loads(config_file.read_text(encoding="utf-8"))
    for key in _SETS:
        if isinstance(config.get(key), list):
            config[key] = sorted(config[key])
    config_file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
