"""Facts about this machine and its libraries, for the manifest and `assay doctor`."""

from __future__ import annotations

import os
import platform
import resource
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from harness.plugins import plugin_versions

_PACKAGES = (
    "adapter-assay", "torch", "transformers", "peft", "bitsandbytes", "trl", "accelerate", "datasets", "lm-eval",
    "openai", "pandas", "pytest",
)  # fmt: skip


def library_versions() -> dict[str, str]:
    """Versions of the libraries and plugins a result depends on, and Python's."""
    found = {"python": platform.python_version(), **plugin_versions()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def machine_facts() -> dict[str, Any]:
    """Processor, memory, threads and what the device can do."""
    import psutil
    import torch

    from harness.models.device import choose_device, choose_dtype, dtype_name

    device = choose_device()
    return {
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "device_auto": str(device),
        "dtype_auto": dtype_name(choose_dtype(device)),
        "bf16": dtype_name(choose_dtype(device)) == "bfloat16",
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
