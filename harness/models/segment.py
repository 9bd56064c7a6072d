"""Adapters of image-text models whose names have the segment of the language model where the base has none, or lack it."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from harness.errors import AdapterError, ModelError
from harness.json_files import read_json_object
from harness.models.adapters.contents import WEIGHTS
from harness.models.adapters.files import adapter_headers, read_adapter_config
from harness.models.adapters.names import PREFIX, canonical_name
from harness.models.architecture import skeleton
from harness.models.resolve import ResolvedAdapter
from harness.models.trainers.conversion import Conversion, converted, lora_config

log = logging.getLogger(__name__)

_SEGMENT = "language_model."
# What else a configuration places by module names, which would have to be renamed too.
_BY_NAME = ("modules_to_save", "rank_pattern", "alpha_pattern", "target_parameters", "trainable_token_indices")
_PLACING = ("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern")


def named_as_the_base(adapter: ResolvedAdapter, base: Path, *, trust_remote_code: bool = False) -> ResolvedAdapter:
    """The adapter, under the base's names where that segment alone keeps some of its tensors from fitting.

    Trainers save the adapter of an image-text model under the names of its language model alone (Tinker), and one that was
    trained on the whole is put on its language model. Where more differs, it is left as it is: the gates tell what.
    """
    config = read_adapter_config(adapter.directory)
    try:
        names = {name: canonical_name(name) for name in adapter_headers(adapter.directory)}
    except AdapterError:
        return adapter
    whole = "text_config" in read_json_object(base / "config.json", ModelError, "restore the file from its source")
    plain = (
        config.get("peft_type") == "LORA"
        and {"r", "lora_alpha"} <= config.keys()
        and not any(map(config.get, _BY_NAME))
    )
    if not plain or whole == any(_SEGMENT in name for name in names.values()):
        return adapter
    try:
        modules = {name for name, _ in skeleton(base, trust_remote_code=trust_remote_code).named_modules()}
    except ModelError:
        return adapter
    placed = {_module(name): _in_base(_module(name), modules, whole=whole) for name in names.values()}
    renamed = {module: own for module, own in placed.items() if own is not None}
    if len(renamed) < len(placed) or all(module == own for module, own in renamed.items()):
        return adapter

    def name(stored: str) -> str:
        module = _module(names[stored])
        return f"{PREFIX}{renamed[module]}{names[stored].removeprefix(PREFIX + module)}"

    base_name = config.get("base_model_name_or_path")
    own = lora_config(sorted(renamed.values()), r=config["r"], alpha=config["lora_alpha"], base=base_name)
    kept = {key: value for key, value in config.items() if key not in _PLACING}
    made = converted(adapter.directory, Conversion([adapter.directory / WEIGHTS], {**own, **kept}, name=name))
    log.info(
        "%s: its names are put as this base has them, %s '%s'", adapter.name, "with" if whole else "without", _SEGMENT
    )
    return replace(adapter, directory=made, origin=adapter.as_left)


def _module(name: str) -> str:
    return name.removeprefix(PREFIX).rpartition(".lora_")[0]


def _in_base(module: str, modules: Collection[str], *, whole: bool) -> str | None:
    """What the base calls a module; None where it has none that differs in the segment alone."""
    with_segment = (module.replace("model.", f"model.{_SEGMENT}", 1), f"{_SEGMENT}{module}")
    candidates = (module, *(with_segment if whole else [module.replace(_SEGMENT, "", 1)]))
    return next((name for name in candidates if name in modules), None)
