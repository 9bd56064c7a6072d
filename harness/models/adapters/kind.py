"""What kind of adapter a PEFT configuration describes; kinds that cannot be measured are refused, by recipes too."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import AdapterError, first_line
from harness.models.adapters.files import CONFIG, read_adapter_config

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
# With more tasks than one, each text is told the number of its own; where there is one, that is 0.
_COUNTS_OF_TASKS = {"POLY": "n_tasks", "MULTITASK_PROMPT_TUNING": "num_tasks"}
REFUSED = {
    "LILY": "whose modules mix their experts by a mean over all tokens that are read at once: an answer would depend on the "
    "tokens behind it, and on the other texts in its batch",
    "XLORA": "of which PEFT saves no first layer of its classifier (it takes `.0.` in the name for another adapter's), and "
    "loads one that is drawn anew: what was trained is lost",
}
"""What PEFT trains and loads, and no one can measure or serve as it was trained: why, to follow the name."""
# What other trainers write beside PEFT's own keys, of training alone: ms-swift's LoRA+ and the copies that it computes with.
_OF_TRAINERS = frozenset({"lora_dtype", "lorap_lr_ratio", "lorap_emb_lr", "swift_type", "runtime_config"})
_CHANGED = "it changes the base weights, so base and candidate could no longer share one base"


def change_of_base(key: str, value: object) -> str | None:
    """Why an adapter with a setting of PEFT's cannot be switched on and off here, to follow a colon; None where it can."""
    if key == "init_lora_weights":
        return _change_by_initialisation(value)
    if key == "layer_replication" and value:
        return "the base keeps the repeated layers when the adapter is switched off"
    return _CHANGED if key == "kasa_config" and value else None


def _change_by_initialisation(value: object) -> str | None:
    if value is None or isinstance(value, bool):
        return None
    name = re.sub(r"[^a-z0-9]", "", str(value).lower())
    if name in _LEAVE_THE_BASE:
        return None
    known = name.startswith(_CHANGE_THE_BASE)
    return _CHANGED if known else "it is not known whether it changes the base weights"


@dataclass(frozen=True)
class UnknownKeys:
    """Keys of a configuration that the installed PEFT passes over, with their values.

    Attributes:
        acting: those that are set, so that it acts as something else than was trained.
        newer: numbers and texts out of a newer PEFT, which writes the defaults of every key that it knows.
    """

    acting: Mapping[str, Any]
    newer: Mapping[str, Any]


def unknown_keys(config: Mapping[str, Any]) -> UnknownKeys:
    """What a configuration says that no field of its method's class holds; nothing of a method that PEFT has not."""
    from peft import PEFT_TYPE_TO_CONFIG_MAPPING, __version__

    method = PEFT_TYPE_TO_CONFIG_MAPPING.get(config.get("peft_type"))
    known = _OF_TRAINERS | {field.name for field in fields(method)} if method is not None else config.keys()
    found = {key: value for key, value in config.items() if key not in known and value}
    is_newer = _version(config.get("peft_version")) > _version(__version__)
    default = {key: value for key, value in found.items() if is_newer and _may_be_default(value)}
    return UnknownKeys({key: value for key, value in found.items() if key not in default}, default)


def _may_be_default(value: object) -> bool:
    return isinstance(value, int | float | str) and value is not True


def _version(said: object) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", str(said))[:2]]


def read_peft_config(adapter: Path) -> PeftConfig:
    """The adapter's configuration as PEFT reads it, as far as it matters to inference.

    Raises:
        AdapterError: PEFT cannot read it; the adapter is of another task than causal language modelling, or of several
            that each text would have to name; with it switched off, the model would not be the base; part of it is
            another model's.
    """
    from peft import PeftConfig

    said = read_adapter_config(adapter)
    if said.get("task_type") not in (*_WRITING, None):
        raise AdapterError(
            f"{adapter} was trained for task_type {said['task_type']!r}, whose model writes no text",
            "only adapters of task_type CAUSAL_LM can be measured: pass one",
        )
    _refuse_changes(adapter, said)
    _refuse_several_tasks(adapter, said)
    kind = str(said.get("peft_type"))
    if kind in REFUSED:
        raise AdapterError(f"{adapter} is of peft_type {kind!r}, {REFUSED[kind]}", AS_LORA)
    if kind == "SHADOW" and said.get("shadow_model", "mirror") != "mirror":
        raise AdapterError(
            f"{adapter} is of peft_type 'SHADOW' with shadow_model={said['shadow_model']!r}: another model, whose weights are "
            "no part of the adapter and would be fetched by name",
            "train it with shadow_model: mirror, whose weights are saved with it",
        )
    try:
        config = PeftConfig.from_pretrained(adapter)
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as exc:
        raise AdapterError(
            f"PEFT cannot read {adapter / CONFIG} (peft_type {said.get('peft_type')!r}): {first_line(exc)}",
            "correct it, or save the adapter again with the PEFT version in use",
        ) from exc
    config.task_type = _WRITING[0]  # by it, PEFT puts virtual tokens before a text, and looks for aLoRA's invocations
    if config.is_prompt_learning:
        if said.get("modules_to_save"):
            raise AdapterError(
                f"{adapter} has virtual tokens and modules_to_save={said['modules_to_save']!r}, which PEFT leaves in the base "
                "when the virtual tokens are off",
                "train it without `modules_to_save`",
            )
        config.inference_mode = True  # what is saved are the prompts that an encoder gave, without the encoder
        if hasattr(config, "prompt_tuning_init"):
            config.prompt_tuning_init = "RANDOM"  # the file has the values; others need a tokenizer, or another file
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


def _refuse_several_tasks(adapter: Path, config: Mapping[str, Any]) -> None:
    key = _COUNTS_OF_TASKS.get(str(config.get("peft_type")), "")
    if config.get(key, 1) != 1:
        raise AdapterError(
            f"{adapter} is of peft_type {config['peft_type']!r} with {key}={config[key]!r}: each text would have to name "
            "its task",
            f"save it for one task alone, with {key}: 1",
        )
