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


def check_loader(base: Path, *, quantization: str, device: str) -> bool:
    """See that a checkpoint can be loaded as it was saved.

    Args:
        quantization: that is asked for besides.

    Returns:
        Whether it was saved quantised.

    Raises:
        ModelError: its loader is not installed or does not run on this device, or it is to be quantised once more.
    """
    stored = stored_quantization(base)
    if not stored:
        return False
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
    return True


def _section(base: Path) -> dict[str, Any]:
    config = base / "config.json"
    if not config.is_file():
        return {}
    said = read_json_object(config, ModelError, "restore the file from its source").get("quantization_config")
    return said if isinstance(said, dict) else {}
