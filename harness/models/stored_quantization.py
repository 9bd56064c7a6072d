"""Checkpoints that were saved quantised: how, and whether what loads them is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.errors import ModelError, first_line
from harness.json_files import read_json_object


def stored_quantization(base: Path) -> str:
    """How a model's weights are quantised in its files: `bitsandbytes-nf4`, `torchao-Int8WeightOnlyConfig`, `gptq` ...;
    empty where they are not."""
    said = _section(base)
    method = str(said.get("quant_method") or ("bitsandbytes" if said.keys() & {"load_in_4bit", "load_in_8bit"} else ""))
    match method:
        case "bitsandbytes":
            return (
                f"{method}-int8" if said.get("load_in_8bit") else f"{method}-{said.get('bnb_4bit_quant_type', 'fp4')}"
            )
        case "torchao":
            kind = said.get("quant_type")
            name = kind.get("default", {}).get("_type", "") if isinstance(kind, dict) else str(kind or "")
            return f"{method}-{name}".rstrip("-")
        case _:
            return method


def is_by_bitsandbytes(quantization: str) -> bool:
    """Whether bitsandbytes packs the weights, at loading ("nf4") or in their files ("bitsandbytes-nf4")."""
    return quantization in ("nf4", "int8") or quantization.startswith("bitsandbytes-")


def as_computed(quantization: str, device: str) -> str:
    """What a quantisation is on a device: bitsandbytes' int8 rounds activations too, but on GPUs alone; elsewhere only its
    weights count, and answers differ. NF4 is the same function everywhere."""
    of_weights = quantization in ("int8", "bitsandbytes-int8") and not device.startswith("cuda")
    return f"{quantization}-weight-only" if of_weights else quantization


def check_loader(base: Path, *, quantization: str, device: str) -> None:
    """See that a checkpoint that was saved quantised can be loaded so.

    Args:
        quantization: that is asked for besides.

    Raises:
        ModelError: its loader is not installed or does not run on this device, or it is to be quantised once more.
    """
    stored = stored_quantization(base)
    if not stored:
        return
    if quantization != "none":
        raise ModelError(
            f"{base} was saved quantised ({stored}), and --quantization={quantization} would do so once more",
            "leave the option out, or pass the model that it was made of",
        )
    from transformers.quantizers import AutoHfQuantizer

    try:
        quantizer = AutoHfQuantizer.from_config(dict(_section(base)), pre_quantized=True)
        quantizer.validate_environment(device_map={"": device})
    except (ImportError, RuntimeError, ValueError, NotImplementedError) as exc:
        raise ModelError(
            f"{base} was saved quantised by {stored}, which cannot be loaded here: {first_line(exc)}",
            "install the loader that the message names, or measure the model where it is served (openai:NAME@URL)",
        ) from exc


def _section(base: Path) -> dict[str, Any]:
    config = base / "config.json"
    if not config.is_file():
        return {}
    said = read_json_object(config, ModelError, "restore the file from its source").get("quantization_config")
    return said if isinstance(said, dict) else {}
