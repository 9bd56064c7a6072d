"""What this machine computes with: device, precision, and the facts about it for the manifest and `assay doctor`."""

from __future__ import annotations

import os
import platform
import resource
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ConfigError, first_line
from harness.plugins import plugin_versions

if TYPE_CHECKING:
    import torch

_PACKAGES = (
    "adapter-assay", "torch", "transformers", "peft", "bitsandbytes", "trl", "accelerate", "datasets", "lm-eval",
    "openai", "pandas", "pytest",
)  # fmt: skip


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
        # oneDNN calls it supported on any AVX-512, and emulates it there, five times slower than float32
        emulated = torch.cpu._is_avx512_supported() and not (
            torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        )
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and not emulated
    # MPS emulates it slowly on the older chips and answers for none of them: float32 is safe on all.
    return False


def dtype_name(dtype: torch.dtype) -> str:
    """The name of a precision, such as "bfloat16"."""
    return str(dtype).removeprefix("torch.")


def library_versions() -> dict[str, str]:
    """Versions of the libraries and plugins a result depends on, and Python's."""
    found = {"python": platform.python_version(), **plugin_versions()}
    for package in _PACKAGES:
        found[package] = _version(package)
    return found


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def machine_facts() -> dict[str, Any]:
    """Processor, memory, threads and what the device can do."""
    import psutil
    import torch

    device = choose_device()
    dtype = dtype_name(choose_dtype(device))
    return {
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "device_auto": str(device),
        "dtype_auto": dtype,
        "bf16": dtype == "bfloat16",
    }


def peak_memory_gib() -> float:
    """Largest resident size of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**30 if sys.platform == "darwin" else 2**20), 2)


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"
