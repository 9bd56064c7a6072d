"""LLaMA-Factory: arguments of its command line or board, and a log of its own beside a Trainer's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.models.trainers.artefact import Artefact, as_count, as_names, as_text
from harness.models.trainers.record import TrainerLog, TrainingRecord
from harness.models.trainers.registry import Trainer

ARGUMENTS, LOG = "training_args.yaml", "trainer_log.jsonl"
_STAGES = {"sft": "sft", "pt": "sft", "dpo": "dpo", "kto": "kto", "ppo": "ppo", "rm": "reward-trainer"}
_PREFERENCES = {"orpo": "orpo", "simpo": "cpo"}
_LOGGED = {
    "loss": "loss",
    "eval_loss": "eval_loss",
    "lr": "learning_rate",
    "epoch": "epoch",
    "reward": "reward",
    "accuracy": "rewards/accuracies",
}


def _read(artefact: Artefact) -> TrainingRecord | None:
    arguments = artefact.yaml_config(ARGUMENTS) if artefact.file(ARGUMENTS) else {}
    known = {"stage", "finetuning_type", "model_name_or_path", "template"} & arguments.keys()
    if not known and not artefact.file(LOG):
        return None
    bits = as_count(arguments.get("quantization_bit"))
    data, validation = (arguments.get(key) for key in ("dataset", "eval_dataset"))
    stage = as_text(arguments.get("stage")) or ""
    template = as_text(arguments.get("template"))
    return TrainingRecord(
        trainer="LLaMA-Factory",
        source=ARGUMENTS if known else LOG,
        base=as_text(arguments.get("model_name_or_path")),
        base_bits=bits if bits in (4, 8) else None,
        data=_listed(data),
        validation=_listed(validation),
        max_length=as_count(arguments.get("cutoff_len")),
        template=None if template in ("default", "empty") else template,
        method=_PREFERENCES.get(str(arguments.get("pref_loss"))) or _STAGES.get(stage),
        strength=_strength(arguments),
    )


def _listed(value: object) -> tuple[str, ...]:
    text = as_text(value)
    return as_names([part.strip() for part in text.split(",")] if text else value)


def _strength(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What it was told of the adapter's strength; an adapter trained further, and PiSSA's converted one, have their own."""
    if arguments.get("adapter_name_or_path") or arguments.get("pissa_init"):
        return {}
    told = {"r": as_count(arguments.get("lora_rank")), "lora_alpha": as_count(arguments.get("lora_alpha"))}
    told |= {key: True for key in ("use_rslora", "use_dora") if arguments.get(key) is True}
    return {key: value for key, value in told.items() if value is not None}


def _log(artefact: Artefact) -> TrainerLog | None:
    rows = [row for row in artefact.log_rows(LOG) if as_count(row.get("current_steps"))]
    if not rows:
        return None
    history = [
        {"step": row["current_steps"], **{theirs: row[key] for key, theirs in _LOGGED.items() if key in row}}
        for row in rows
    ]
    steps = max(row["current_steps"] for row in rows)
    planned = max((as_count(row.get("total_steps")) or 0 for row in rows), default=0)
    return TrainerLog(LOG, history, steps=steps, kept_step=steps, planned_steps=planned or None)


LLAMA_FACTORY = Trainer("LLaMA-Factory", _read, _log)
