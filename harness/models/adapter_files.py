"""What may be in an adapter directory, read from file headers before anything is loaded."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import AdapterError

WEIGHTS = "adapter_model.safetensors"
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
# Trainer writes its arguments as a pickle beside every adapter; nothing here ever reads it.
_HARMLESS = frozenset({"training_args.bin"})
_MAX_HEADER_BYTES = 100 << 20


@dataclass(frozen=True)
class TensorHeader:
    """One tensor of a safetensors file, from its header."""

    dtype: str
    shape: tuple[int, ...]


def unsafe_files(directory: Path) -> list[str]:
    """Names of files that could run code when loaded: pickles and Python sources."""
    return sorted(
        str(p.relative_to(directory))
        for p in directory.rglob("*")
        if p.is_file() and p.name not in _HARMLESS and p.suffix in (*_PICKLES, ".py")
    )


def read_tensor_headers(path: Path) -> Mapping[str, TensorHeader]:
    """Names, types and shapes in a safetensors file, without reading its data.

    Raises:
        AdapterError: the header is damaged, or does not agree with the size of the file.
    """
    remedy = "copy the adapter again from where it was trained"
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > min(size - 8, _MAX_HEADER_BYTES):
                raise AdapterError(f"{path}: header says {length} bytes in a file of {size}", remedy)
            header = json.loads(stream.read(length))
        tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
        end = max((entry["data_offsets"][1] for entry in tensors.values()), default=0)
        headers = {name: TensorHeader(str(e["dtype"]), tuple(e["shape"])) for name, e in tensors.items()}
    except (OSError, struct.error, ValueError, KeyError, TypeError, AttributeError, IndexError) as exc:
        raise AdapterError(f"{path} is not a readable safetensors file: {exc}", remedy) from exc
    if 8 + length + end != size:
        raise AdapterError(f"{path} is truncated or padded: {size} bytes, its header wants {8 + length + end}", remedy)
    return headers


def nonfinite_tensors(path: Path) -> dict[str, int]:
    """Tensor -> how many of its values are NaN or infinite; only those that have any."""
    import torch
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        counts = {name: int((~torch.isfinite(file.get_tensor(name))).sum()) for name in sorted(file.keys())}
    return {name: count for name, count in counts.items() if count}


def check_adapter_files(directory: Path) -> None:
    """Refuse a directory that must not or cannot be loaded.

    Raises:
        AdapterError: weights missing or pickled, code beside them, a damaged file, NaN or infinite values.
    """
    unsafe = unsafe_files(directory)
    if unsafe:
        raise AdapterError(
            f"{directory} holds files that can run code when loaded: {', '.join(unsafe)}",
            "save the adapter with save_pretrained (safetensors) and remove these files",
        )
    if not (directory / WEIGHTS).is_file():
        raise AdapterError(f"{directory} holds no {WEIGHTS}", "save the adapter with PEFT's save_pretrained")
    if not read_tensor_headers(directory / WEIGHTS):
        raise AdapterError(f"{directory / WEIGHTS} holds no tensors", "train the adapter again")
    broken = nonfinite_tensors(directory / WEIGHTS)
    if broken:
        name, count = next(iter(broken.items()))
        raise AdapterError(
            f"{directory} holds NaN or infinities in {len(broken)} tensors, first {name} ({count} values)",
            "train again with a lower learning rate or in bfloat16; use no checkpoint after this one",
        )
