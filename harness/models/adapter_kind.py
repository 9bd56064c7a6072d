"""Adapters that no change of method here could measure, refused by what their configuration says of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import AdapterError, first_line
from harness.models.adapter_files import CONFIG, WEIGHTS, read_json
from harness.models.adapter_keys import PREFIX, canonical_names
from harness.models.base_changes import change_of_base

if TYPE_CHECKING:
    from peft import PeftConfig

_AS_LORA = "train it as LoRA, or as another method that changes the base's modules"
# What was trained on a changed base can be measured on that base.
_OWN_BASE = {
    "init_lora_weights": "convert it with PEFT's save_pretrained(path_initial_model_for_weight_conversion=...) and pass "
    "the result; or save the base as it was trained on, pass that with --model, and set init_lora_weights to true in "
    "adapter_config.json, which is right for an initialisation that left the base alone too",
    "layer_replication": "save the model with its repeated layers, pass that with --model, and train on it without "
    "`layer_replication`",
}


def read_peft_config(adapter: Path) -> PeftConfig:
    """The adapter's configuration as PEFT reads it.

    Raises:
        AdapterError: PEFT cannot read it; the adapter is of another task than causal language modelling, or of a method
            that puts trained vectors into the text; with it switched off, the model would not be the base.
    """
    from peft import PeftConfig

    said = read_json(adapter / CONFIG)
    if said.get("task_type") not in ("CAUSAL_LM", None):
        raise AdapterError(
            f"{adapter} was trained for task_type {said['task_type']!r}, whose model writes no text",
            "only adapters of task_type CAUSAL_LM can be measured: pass one",
        )
    _refuse_changes_of_base(adapter, said)
    try:
        config = PeftConfig.from_pretrained(adapter)
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise AdapterError(
            f"PEFT cannot read {adapter / CONFIG} (peft_type {said.get('peft_type')!r}): {first_line(exc)}",
            "correct it, or save the adapter again with the PEFT version in use",
        ) from exc
    if config.is_prompt_learning or config.is_adaption_prompt:
        raise AdapterError(
            f"{adapter} is of peft_type {said['peft_type']!r}, which puts trained vectors into the text and changes no "
            "module: it cannot be measured, merged or served as adapters of modules are",
            _AS_LORA,
        )
    return config


def _refuse_changes_of_base(adapter: Path, config: Mapping[str, Any]) -> None:
    for key, value in config.items():
        change = change_of_base(key, value)
        if change and (key != "bias" or _has_biases(adapter)):
            raise AdapterError(
                f"{adapter} has {key}={value!r}: {change}", _OWN_BASE.get(key, f"train it without `{key}`")
            )


def _has_biases(adapter: Path) -> bool:
    """Whether biases of the base were saved: a base without any has none to train, whatever `bias` says."""
    return any(name.endswith(".bias") and ".lora_" not in name for name in canonical_names(adapter / WEIGHTS).values())


def refuse_shared_tensors(adapter: Path, names: Collection[str]) -> None:
    """Refuse an adapter that shares tensors between modules, such as VeRA's projections: they belong to no module.

    Args:
        names: tensors that PEFT saves of it, by PEFT's names.

    Raises:
        AdapterError: there are such tensors.
    """
    shared = sorted(name for name in names if not name.startswith(PREFIX))
    if shared:
        kind = read_json(adapter / CONFIG).get("peft_type")
        own = "save it with save_projection=False, or " if kind == "VERA" else ""
        raise AdapterError(
            f"{adapter} is of peft_type {kind!r}, which keeps {', '.join(shared)} outside the base's modules: they cannot "
            "be held against any",
            f"{own}{_AS_LORA}",
        )
