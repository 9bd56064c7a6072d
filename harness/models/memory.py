"""What a model takes in memory, and whether there is room for it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.models.adapters.weights import read_tensor_headers

if TYPE_CHECKING:
    from harness.models.subject import Subject

_VALUE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
# Beside the weights: activations, caches of prefixes, and what loading holds for a moment.
_HEADROOM = 1.3


def needed_bytes(subject: Subject) -> int:
    """What its weights take in its precision. Quantised ones count as dense: on CPUs they are, and loading passes through it."""
    values = sum(
        math.prod(header.shape)
        for path in subject.weights.directory.glob("*.safetensors")
        for header in read_tensor_headers(path).values()
    )
    return values * _VALUE_BYTES[subject.dtype]


def available_bytes(device: str) -> int:
    """Free memory of the device that a model is loaded to."""
    import psutil
    import torch

    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def fits(subject: Subject, device: str) -> bool:
    """Whether a subject can be loaded beside what is in memory."""
    return needed_bytes(subject) * _HEADROOM <= available_bytes(device)
