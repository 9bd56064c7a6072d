"""LitGPT: its adapters are pickles, so that its own commands have to make a model of them."""

from __future__ import annotations

from harness.models.trainers.artefact import Artefact, as_count, as_mapping, as_names, as_text
from harness.models.trainers.record import TrainingRecord
from harness.models.trainers.registry import Trainer

PICKLE, PARAMETERS = "lit_model.pth.lora", "hyperparameters.yaml"


def _read(artefact: Artefact) -> TrainingRecord | None:
    config = artefact.yaml_config(PARAMETERS) if artefact.file(PARAMETERS) else {}
    if "checkpoint_dir" not in config:
        return None
    data = as_mapping(config.get("data"))
    options = as_mapping(data.get("init_args"))
    quantized = as_text(config.get("quantize")) or ""
    return TrainingRecord(
        trainer="LitGPT",
        source=PARAMETERS,
        base=as_text(config.get("checkpoint_dir")),
        base_bits=4 if "4" in quantized else 8 if "8" in quantized else None,
        data=as_names(options.get("json_path")) or as_names(data.get("class_path")),
        max_length=as_count(as_mapping(config.get("train")).get("max_seq_length")),
        template=as_text(options.get("prompt_style")),
        method="sft",
    )


def _refuse(artefact: Artefact) -> tuple[str, str] | None:
    if artefact.file(PICKLE) is None:
        return None
    here = artefact.path
    base = as_text(artefact.yaml_config(PARAMETERS).get("checkpoint_dir")) if artefact.file(PARAMETERS) else None
    return (
        f"holds an adapter of LitGPT ({PICKLE}), a pickle, which can run code and is never loaded",
        f"where you trust it, let LitGPT merge it and write the model: litgpt merge_lora {here} && litgpt "
        f'convert_from_litgpt {here} {here}/converted && python -c "import torch; from transformers import '
        f"AutoModelForCausalLM as M; M.from_pretrained('{base or 'BASE'}', state_dict=torch.load("
        f"'{here}/converted/model.pth', weights_only=True)).save_pretrained('{here}/converted')\", and pass "
        f"{here}/converted as the candidate",
    )


LITGPT = Trainer("LitGPT", _read, refuse=_refuse)
