"""torchtune: PEFT's files in `epoch_N/`, with the configuration and the log a directory above."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from harness.models.trainers.artefact import Artefact, as_count, as_mapping, as_names, as_text
from harness.models.trainers.record import TrainerLog, TrainingRecord
from harness.models.trainers.registry import Trainer

CONFIG_FILE = "torchtune_config.yaml"
_LOG_FILE = r"log_\d+\.txt"
_LINE = re.compile(r"Step (?P<step>\d{1,9}) \| (?P<values>.*)")
_VALUE = re.compile(r"(?P<name>[\w/]{1,80}):(?P<value>[-+.\w]{1,40})")
_LOGGED = {"loss": "loss", "val_loss": "eval_loss", "lr": "learning_rate", "grad_norm": "grad_norm"}


def _run(artefact: Artefact) -> Artefact | None:
    """Where its configuration and its log lie; None where it is none of torchtune's."""
    is_step = re.fullmatch(r"(?:epoch|step)_\d+", artefact.path.name)
    return next(
        (place for place in (artefact, *([artefact.parent] if is_step else [])) if place.file(CONFIG_FILE)), None
    )


def _read(artefact: Artefact) -> TrainingRecord | None:
    place = _run(artefact)
    if place is None:
        return None
    config = place.yaml_config(CONFIG_FILE)
    artefact.notes += [note for note in place.notes if note not in artefact.notes]
    model, data, tokenizer = (as_mapping(config.get(key)) for key in ("model", "dataset", "tokenizer"))
    component = as_text(model.get("_component_")) or ""
    strength = {"r": as_count(model.get("lora_rank")), "lora_alpha": as_count(model.get("lora_alpha"))}
    strength |= {"use_dora": True} if model.get("use_dora") is True else {}
    loss = as_text(as_mapping(config.get("loss")).get("_component_")) or ""
    return TrainingRecord(
        trainer="torchtune",
        source=CONFIG_FILE,
        base=as_text(as_mapping(config.get("checkpointer")).get("checkpoint_dir")),
        base_bits=4 if ".qlora_" in component else None,
        data=as_names(data.get("data_files")) or as_names([data.get("source"), data.get("_component_")])[:1],
        max_length=as_count(tokenizer.get("max_seq_len")),
        method="dpo" if "DPOLoss" in loss else "sft",
        strength={key: value for key, value in strength.items() if value is not None},
    )


def _log(artefact: Artefact) -> TrainerLog | None:
    place = _run(artefact)
    if place is None:
        return None
    for name in reversed(place.matching(_LOG_FILE)):
        history = [_entry(line) for line in map(_LINE.fullmatch, place.log_lines(name)) if line]
        if history:
            steps = max(entry["step"] for entry in history)
            return TrainerLog(name, sorted(history, key=lambda entry: entry["step"]), steps=steps, kept_step=steps)
    return None


def _entry(line: re.Match[str]) -> Mapping[str, Any]:
    values = {found["name"]: found["value"] for found in _VALUE.finditer(line["values"])}
    return {"step": int(line["step"]), **{theirs: values[name] for name, theirs in _LOGGED.items() if name in values}}


TORCHTUNE = Trainer("torchtune", _read, _log)
