"""Where to compute and in which precision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import ConfigError, first_line

if TYPE_CHECKING:
    import torch


def choose_device(requested: str = "auto") -> torch.device:
    """CUDA, then MPS, then CPU for `auto`; else the named device.

    Raises:
        ConfigError: the named device is not on this machine.
    """
    import torch

    if requested == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(requested)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as exc:
        raise ConfigError(
            f"--device={requested} cannot be used: {first_line(exc)}", "use auto, cpu, cuda, cuda:N or mps"
        ) from exc
    return device


def choose_dtype(device: torch.device, requested: str = "auto") -> torch.dtype:
    """The named precision, or for `auto` bfloat16 where the hardware has it and float32 elsewhere."""
    import torch

    if requested != "auto":
        return getattr(torch, requested)  # type: ignore[no-any-return]
    return torch.bfloat16 if _has_bfloat16(device) else torch.float32


def _has_bfloat16(device: torch.device) -> bool:
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    # MPS emulates it slowly on the older chips and answers for none of them: float32 is safe on all.
    return False


def dtype_name(dtype: torch.dtype) -> str:
    """The name of a precision, such as "bfloat16"."""
    return str(dtype).removeprefix("torch.")
