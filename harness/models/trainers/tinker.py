"""Tinker: an archive of LoRA whose configuration names "all-linear" for what was trained, and the cookbook's logs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.errors import AdapterError
from harness.models.adapters.contents import CONFIG, WEIGHTS
from harness.models.adapters.names import PREFIX
from harness.models.trainers.artefact import Artefact, as_count, as_mapping, as_text
from harness.models.trainers.conversion import Conversion, lora_config, tensor_shapes
from harness.models.trainers.record import TrainerLog, TrainingRecord
from harness.models.trainers.registry import Trainer

LOG, RUN = "metrics.jsonl", "config.json"
_ALL = "all-linear"  # PEFT resolves it before it saves, so that it stands in no file of PEFT's own
_HEAD, _PEFT_HEAD = "model.unembed_tokens", "lm_head"
_LOGGED = {
    "train_mean_nll": "loss",
    "test/nll": "eval_loss",
    "learning_rate": "learning_rate",
    "optim/lr": "learning_rate",
    "env/all/reward/total": "reward",
}


def _config(artefact: Artefact) -> Mapping[str, Any]:
    config = artefact.json_config(CONFIG) if artefact.file(CONFIG) else {}
    return config if config.get("target_modules") == _ALL and config.get("peft_type") == "LORA" else {}


def _read(artefact: Artefact) -> TrainingRecord | None:
    config, log = _config(artefact), artefact.file(LOG)
    if not config and log is None:
        return None
    run = artefact.json_config(RUN) if log is not None and artefact.file(RUN) else {}
    common = as_mapping(as_mapping(run.get("dataset_builder")).get("common_config"))
    return TrainingRecord(
        trainer="Tinker",
        source=CONFIG if config else LOG,
        base=as_text(config.get("base_model_name_or_path")) or as_text(run.get("model_name")),
        data=tuple(filter(None, [as_text(as_mapping(run.get("dataset_builder")).get("file_path"))])),
        max_length=as_count(common.get("max_length")),
        template=as_text(common.get("renderer_name")),
    )


def _log(artefact: Artefact) -> TrainerLog | None:
    rows = [row for row in artefact.log_rows(LOG) if isinstance(row.get("step"), int) and _LOGGED.keys() & row.keys()]
    if not rows:
        return None
    # its steps count from 0, a Trainer's from 1
    history = [
        {"step": row["step"] + 1, **{theirs: row[key] for key, theirs in _LOGGED.items() if key in row}} for row in rows
    ]
    steps = max(entry["step"] for entry in history)
    return TrainerLog(LOG, sorted(history, key=lambda entry: entry["step"]), steps=steps, kept_step=steps)


def _convert(artefact: Artefact) -> Conversion | None:
    config, weights = _config(artefact), artefact.file(WEIGHTS)
    if not config or weights is None:
        return None
    rank, alpha = as_count(config.get("r")), config.get("lora_alpha")
    if rank is None or isinstance(alpha, bool) or not isinstance(alpha, (int, float)):
        raise AdapterError(
            f"{artefact.path / CONFIG} gives r {rank!r} and lora_alpha {alpha!r}", "download the archive again"
        )
    shapes = tensor_shapes([weights])
    joined = [name for name, shape in shapes.items() if len(shape) > 2]
    if joined:
        raise AdapterError(
            f"{weights}: {joined[0]} adapts experts in one piece, which PEFT has no LoRA of",
            f"merge it with Tinker's cookbook: weights.build_hf_model(base_model={config.get('base_model_name_or_path')!r}, "
            f"adapter_path={str(artefact.path)!r}, output_path=...), and pass the model as the candidate",
        )
    modules = {_peft_name(name).removeprefix(PREFIX).rpartition(".lora_")[0] for name in shapes}
    more = {key: config[key] for key in ("use_rslora", "use_dora") if key in config}
    return Conversion(
        sources=[weights, artefact.path / CONFIG],
        config=lora_config(
            sorted(modules), r=rank, alpha=alpha, base=as_text(config.get("base_model_name_or_path")), **more
        ),
        name=_peft_name,
    )


def _peft_name(name: str) -> str:
    return name.replace(f"{PREFIX}{_HEAD}.", f"{PREFIX}{_PEFT_HEAD}.", 1)


TINKER = Trainer("Tinker", _read, _log, convert=_convert)
