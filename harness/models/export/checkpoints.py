"""Quantised checkpoints, as bitsandbytes and torchao save them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.models.architecture import auto_class, read_base_config
from harness.models.export.merging import copy_tokenizer
from harness.models.export.target import Target
from harness.models.quantization import bitsandbytes_config, disable_cpu_inference_repack
from harness.models.quiet import quiet_loading

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def write_quantized(model: Path, target: Target, directory: Path, *, trust_remote_code: bool) -> None:
    """Save the model in this directory quantised. Nothing is computed with it: on CPUs that packs NF4 weights in a way that
    does not survive being saved."""
    quantized = _quantized(model, target, trust_remote_code=trust_remote_code)
    with quiet_loading():
        quantized.save_pretrained(directory)
    copy_tokenizer(model, directory, trust_remote_code=trust_remote_code)


def _quantized(model: Path, target: Target, *, trust_remote_code: bool) -> PreTrainedModel:
    import torch

    config = read_base_config(model, trust_remote_code=trust_remote_code)
    dtype = config.dtype if isinstance(config.dtype, torch.dtype) else torch.bfloat16
    loader = auto_class(config, trust_remote_code=trust_remote_code)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with quiet_loading():
        quantized: PreTrainedModel = loader.from_pretrained(
            model,
            dtype=dtype,
            quantization_config=_method(target, dtype),
            device_map={"": device},
            trust_remote_code=trust_remote_code,
            use_safetensors=True,
        )
    if target.kind == "nf4":
        disable_cpu_inference_repack(quantized)
    return quantized


def _method(target: Target, dtype: Any) -> Any:
    if target.kind != "torchao":
        return bitsandbytes_config(target.kind, dtype)
    import torch
    from torchao.quantization import Float8WeightOnlyConfig, Int8WeightOnlyConfig, IntxWeightOnlyConfig
    from torchao.quantization.granularity import PerGroup
    from transformers import TorchAoConfig

    match target.type:
        case "int8":
            return TorchAoConfig(Int8WeightOnlyConfig())
        case "int4":
            return TorchAoConfig(IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=PerGroup(32)))  # type: ignore[attr-defined]
        case _:
            return TorchAoConfig(Float8WeightOnlyConfig())
