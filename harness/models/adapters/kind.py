"""What kind of adapter a PEFT configuration describes; kinds that cannot be measured are refused, by recipes too."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import AdapterError, first_line
from harness.models.adapters.files import CONFIG, read_adapter_config
from harness.models.adapters.names import PREFIX

if TYPE_CHECKING:
    from peft import PeftConfig

AS_LORA = "train it as LoRA, or as another method that changes the base's modules"
# What was trained on a changed base can be measured on that base.
_OWN_BASE = {
    "init_lora_weights": "convert it with PEFT's save_pretrained(path_initial_model_for_weight_conversion=...) and pass "
    "the result; or save the base as it was trained on, pass that with --model, and set init_lora_weights to true in "
    "adapter_config.json, which is right for an initialisation that left the base alone too",
    "layer_replication": "save the model with its repeated layers, pass that with --model, and train on it without "
    "`layer_replication`",
}
# Bases with an encoder are none that can be measured: on a decoder the second is a slip of the trainer, and PEFT places the
# adapter's modules without regard to it.
_WRITING = ("CAUSAL_LM", "SEQ_2_SEQ_LM")
# Values of LoraConfig.init_lora_weights, by their letters and digits in lower case: PEFT takes some in any case, and of
# PiSSA's names the beginning ("pissa_niter_16"). A value that stands in neither list may change anything.
_LEAVE_THE_BASE = ("gaussian", "eva", "orthogonal", "mica")
_CHANGE_THE_BASE = ("pissa", "corda", "olora", "loraga", "loftq")
# X-LoRA weighs its adapters by a forward of its own; Poly is told the number of a task with each text.
_BY_THE_TEXT = ("XLORA", "POLY")
_CHANGED = "it changes the base weights, so base and candidate could no longer share one base"


def change_of_base(key: str, value: object) -> str | None:
    """Why an adapter with a setting of PEFT's cannot be switched on and off here, to follow a colon; None where it can.

    It changes the base, or by the text before.
    """
    if key == "init_lora_weights":
        return _change_by_initialisation(value)
    if key == "layer_replication" and value:
        return "the base keeps the repeated layers when the adapter is switched off"
    if key == "alora_invocation_tokens" and value:
        return (
            "it acts on what follows these tokens alone, which caches of shared prefixes and of answers do not tell it"
        )
    return _CHANGED if key == "kasa_config" and value else None


def _change_by_initialisation(value: object) -> str | None:
    if value is None or isinstance(value, bool):
        return None
    name = re.sub(r"[^a-z0-9]", "", str(value).lower())
    if name in _LEAVE_THE_BASE:
        return None
    known = name.startswith(_CHANGE_THE_BASE)
    return _CHANGED if known else "it is not known whether it changes the base weights"


def read_peft_config(adapter: Path) -> PeftConfig:
    """The adapter's configuration as PEFT reads it, as far as it matters to inference.

    Raises:
        AdapterError: PEFT cannot read it; the adapter is of another task than causal language modelling, or of a method
            that puts trained vectors into the text; with it switched off, the model would not be the base.
    """
    from peft import PeftConfig

    said = read_adapter_config(adapter)
    if said.get("task_type") not in (*_WRITING, None):
        raise AdapterError(
            f"{adapter} was trained for task_type {said['task_type']!r}, whose model writes no text",
            "only adapters of task_type CAUSAL_LM can be measured: pass one",
        )
    _refuse_changes(adapter, said)
    if said.get("peft_type") in _BY_THE_TEXT:
        raise AdapterError(
            f"{adapter} is of peft_type {said['peft_type']!r}, whose modules act by the whole text, or by a number of its task: "
            "they cannot be computed token after token as adapters of modules are",
            AS_LORA,
        )
    try:
        config = PeftConfig.from_pretrained(adapter)
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as exc:
        raise AdapterError(
            f"PEFT cannot read {adapter / CONFIG} (peft_type {said.get('peft_type')!r}): {first_line(exc)}",
            "correct it, or save the adapter again with the PEFT version in use",
        ) from exc
    if config.is_prompt_learning or config.is_adaption_prompt:
        raise AdapterError(
            f"{adapter} is of peft_type {said['peft_type']!r}, which puts trained vectors into the text and changes no "
            "module: it cannot be measured, merged or served as adapters of modules are",
            AS_LORA,
        )
    if said.get("task_type") in _WRITING:
        config.task_type = _WRITING[0]
    if getattr(config, "lora_dropout", None):
        config.lora_dropout = 0.0  # it acts in training alone, and PEFT puts no adapter with it on fused experts
    if getattr(config, "megatron_config", None):
        config.megatron_config = (
            None  # no base here has Megatron's layers, and PEFT would import whatever megatron_core names
        )
    return config


def _refuse_changes(adapter: Path, config: Mapping[str, Any]) -> None:
    for key, value in config.items():
        change = change_of_base(key, value)
        if change:
            raise AdapterError(
                f"{adapter} has {key}={value!r}: {change}", _OWN_BASE.get(key, f"train it without `{key}`")
            )


def refuse_shared_tensors(adapter: Path, names: Collection[str]) -> None:
    """Refuse an adapter that shares tensors between modules, such as VeRA's projections: they belong to no module.

    Args:
        names: tensors that PEFT saves of it, by PEFT's names.

    Raises:
        AdapterError: there are such tensors.
    """
    shared = sorted(name for name in names if not name.startswith(PREFIX))
    if shared:
        kind = read_adapter_config(adapter).get("peft_type")
        own = "save it with save_projection=False, or " if kind == "VERA" else ""
        raise AdapterError(
            f"{adapter} is of peft_type {kind!r}, which keeps {', '.join(shared)} outside the base's modules: they cannot "
            "be held against any",
            f"{own}{AS_LORA}",
        )
