"""Axolotl: its configuration stands in the model card, as the YAML that it was started with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.errors import AdapterError
from harness.models.trainers.artefact import Artefact, as_count, as_mapping, as_names, as_text
from harness.models.trainers.record import TrainingRecord
from harness.models.trainers.registry import Trainer
from harness.models.trainers.trl import CARD, named_method

_FILES = ("axolotl_config.yaml", "axolotl_config.yml")
_SUMMARY = "axolotl config</summary>"


def _read(artefact: Artefact) -> TrainingRecord | None:
    name, config = next(((name, artefact.yaml_config(name)) for name in _FILES if artefact.file(name)), (CARD, {}))
    if not config:
        config = _in_card(artefact)
    if not config:
        return None
    continued = config.get("lora_model_dir") or config.get("adapter_path")
    strength = {"r": as_count(config.get("lora_r")), "lora_alpha": as_count(config.get("lora_alpha"))}
    strength |= {f"use_{kind}": True for kind in ("dora", "rslora") if config.get(f"peft_use_{kind}") is True}
    template = as_text(config.get("chat_template"))
    return TrainingRecord(
        trainer="Axolotl",
        source=name,
        base=as_text(config.get("base_model")),
        base_bits=4 if config.get("load_in_4bit") is True else 8 if config.get("load_in_8bit") is True else None,
        data=_paths(config, "datasets") or _paths(config, "pretraining_dataset"),
        validation=_paths(config, "test_datasets"),
        max_length=as_count(config.get("sequence_len")),
        template=None if template == "tokenizer_default" else template,
        method=named_method(config.get("rl")) or "sft",
        # of an adapter that was trained further, its own configuration counts
        strength={} if continued else {key: value for key, value in strength.items() if value is not None},
    )


def _in_card(artefact: Artefact) -> Mapping[str, Any]:
    try:
        _, found, rest = artefact.text(CARD).partition(_SUMMARY)
    except AdapterError as exc:
        artefact.notes.append(exc.problem)
        return {}
    _, opened, rest = rest.partition("```yaml\n")
    text, closed, _ = rest.partition("\n```")
    return artefact.yaml_config(CARD, text) if found and opened and closed else {}


def _paths(config: Mapping[str, Any], key: str) -> tuple[str, ...]:
    listed = config.get(key)
    if not isinstance(listed, list):
        return as_names(as_mapping(listed).get("path") if isinstance(listed, dict) else listed)
    return as_names([as_mapping(one).get("path") for one in listed])


AXOLOTL = Trainer("Axolotl", _read)
