"""Unsloth: a Trainer's output whose base goes by the name of a quantised copy, and merged and GGUF saves."""

from __future__ import annotations

from harness.models.adapters.contents import CONFIG
from harness.models.trainers.artefact import Artefact, as_mapping, as_names, as_text
from harness.models.trainers.record import TrainingRecord
from harness.models.trainers.registry import Trainer
from harness.models.trainers.trl import model_card


def _read(artefact: Artefact) -> TrainingRecord | None:
    config = artefact.json_config(CONFIG) if artefact.file(CONFIG) else {}
    base = as_text(config.get("base_model_name_or_path")) or ""
    fixed = as_mapping(config.get("auto_mapping")).get("unsloth_fixed") is True
    if not fixed and not base.startswith("unsloth/") and "unsloth" not in as_names(model_card(artefact).get("tags")):
        return None
    four = base.casefold().endswith("bnb-4bit")
    return TrainingRecord("Unsloth", CONFIG, base=base or None, base_bits=4 if four else None)


UNSLOTH = Trainer("Unsloth", _read)
