"""MLX (mlx-lm): its LoRA is PEFT's transposed, under names of its own; read by turning it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.errors import AdapterError
from harness.models.adapters.contents import CONFIG
from harness.models.adapters.names import PREFIX
from harness.models.trainers.artefact import Artefact, as_count, as_mapping, as_names, as_text
from harness.models.trainers.conversion import Conversion, lora_config, tensor_shapes
from harness.models.trainers.record import TrainingRecord
from harness.models.trainers.registry import Trainer

if TYPE_CHECKING:
    import torch

_WEIGHTS = "adapters.safetensors"
_ANY_WEIGHTS = r"(?:\d+_)?adapters\.(?:safetensors|npz)"
_NAME = re.compile(r".+\.(?:lora_a|lora_b|m)")
_EMBEDDING = re.compile(r"(?:^|\.)embed_tokens$")
_FUSE = "fuse it (mlx_lm.fuse --dequantize) and pass the model as the candidate"
_BITS = re.compile(r"-(?P<bits>[48])bit\b")


def _config(artefact: Artefact) -> Mapping[str, Any]:
    """Its configuration, which has the name of PEFT's; empty where it is not MLX's."""
    config = artefact.json_config(CONFIG) if artefact.file(CONFIG) else {}
    return config if "peft_type" not in config and {"fine_tune_type", "lora_parameters"} & config.keys() else {}


def _read(artefact: Artefact) -> TrainingRecord | None:
    config = _config(artefact)
    if not config:
        return None
    base = as_text(config.get("model"))
    bits = _BITS.search(base or "")
    return TrainingRecord(
        trainer="MLX",
        source=CONFIG,
        base=base,
        base_bits=int(bits["bits"]) if bits else None,
        data=as_names(config.get("data")),
        max_length=as_count(config.get("max_seq_length")),
        method="sft",
    )


def _convert(artefact: Artefact) -> Conversion | None:
    config, weights = _config(artefact), artefact.file(_WEIGHTS)
    kind = config.get("fine_tune_type", "lora")
    if not config or weights is None or kind not in ("lora", "dora"):
        return None
    parameters = as_mapping(config.get("lora_parameters"))
    rank, scale = as_count(parameters.get("rank")), parameters.get("scale")
    if rank is None or isinstance(scale, bool) or not isinstance(scale, (int, float)):
        raise AdapterError(
            f"{weights.parent / CONFIG} gives rank {rank!r} and scale {scale!r} under lora_parameters",
            "restore the file that training wrote: without both, the strength of the adapter is not known",
        )
    shapes = tensor_shapes([weights])
    _check(artefact, shapes, rank)
    return Conversion(
        sources=[weights, weights.parent / CONFIG],
        config=lora_config(
            sorted({name.rpartition(".")[0] for name in shapes}),
            r=rank,
            alpha=float(scale) * rank,
            base=as_text(config.get("model")),
            use_dora=kind == "dora",
        ),
        name=_peft_name,
        value=_peft_value,
    )


def _check(artefact: Artefact, shapes: Mapping[str, tuple[int, ...]], rank: int) -> None:
    where = artefact.path / _WEIGHTS
    foreign = [name for name in shapes if not _NAME.fullmatch(name)]
    experts = [name for name, shape in shapes.items() if len(shape) > 2]
    if foreign or experts:
        name = (foreign or experts)[0]
        what = "is no part of a LoRA" if foreign else "adapts experts in one piece, which PEFT has no LoRA of"
        raise AdapterError(f"{where}: {name} {what}", _FUSE)
    modules = {name.rpartition(".")[0] for name in shapes}
    halves = [f"{module}.{part}" for module in sorted(modules) for part in ("lora_a", "lora_b")]
    missing = [name for name in halves if name not in shapes]
    wrong = [name for name in halves if name in shapes and shapes[name][name.endswith("lora_a")] != rank]
    if missing or wrong or not shapes:
        name = next(iter([*missing, *wrong]), "no tensor")
        what = (
            "is missing"
            if missing
            else f"has shape {list(shapes[name])}, and the rank is {rank}"
            if wrong
            else "is in it"
        )
        raise AdapterError(f"{where}: {name} {what}", "copy the adapter again from where it was trained")


def _peft_name(name: str) -> str:
    module, _, part = name.rpartition(".")
    if part == "m":
        return f"{PREFIX}{module}.lora_magnitude_vector"
    half = part[-1].upper()
    return (
        f"{PREFIX}{module}.lora_embedding_{half}"
        if _EMBEDDING.search(module)
        else f"{PREFIX}{module}.lora_{half}.weight"
    )


def _peft_value(name: str, tensor: torch.Tensor) -> torch.Tensor:
    return tensor if name.endswith(".m") else tensor.T


def _refuse(artefact: Artefact) -> tuple[str, str] | None:
    found = artefact.matching(_ANY_WEIGHTS)
    if not _config(artefact) and not found:
        return None
    there = ", ".join(found) or CONFIG
    if not _config(artefact):
        remedy = f"copy the {CONFIG} that mlx_lm wrote beside it"
    elif found and _WEIGHTS not in found:
        remedy = f"rename the one to be measured to {_WEIGHTS}" if found[0].endswith(".safetensors") else _FUSE
    elif found:
        remedy = _FUSE
    else:
        remedy = f"copy its {_WEIGHTS} there"
    return f"is an MLX adapter ({there}) that cannot be converted to PEFT as it lies", remedy


MLX = Trainer("MLX", _read, refuse=_refuse, convert=_convert)
