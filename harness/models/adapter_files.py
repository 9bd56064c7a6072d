"""What may be in an adapter directory, found out before anything of it is loaded."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from harness.errors import AdapterError
from harness.models.safetensors_header import read_tensor_headers

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib")
_CODE = (".py", ".pyc", ".so", ".pyd", ".dll")
# Trainer writes its arguments as a pickle beside every adapter; nothing here ever reads it.
_HARMLESS = frozenset({"training_args.bin"})
_NEAR_MAX = 0.99


def unsafe_files(directory: Path, *, allowed: Collection[str] = ()) -> list[str]:
    """Names of files that could run code when loaded: pickles, whatever they are called, and code.

    Args:
        allowed: names of files, or paths within the directory, that may be there all the same; nothing loads them.
    """
    return sorted(
        str(p.relative_to(directory))
        for p in directory.rglob("*")
        if p.is_file()
        and not _is_allowed(p, directory, allowed)
        and (p.suffix in (*_PICKLES, *_CODE) or (p.suffix != ".safetensors" and _is_pickle(p)))
    )


def remote_code(directory: Path, *, allowed: Collection[str] = ()) -> dict[str, Any]:
    """Configuration file -> its `auto_map`, which tells transformers to run Python code out of a repository.

    Raises:
        AdapterError: a configuration file is not JSON.
    """
    found = {
        str(path.relative_to(directory)): read_json(path).get("auto_map")
        for path in sorted(directory.rglob("*config.json"))
        if not _is_allowed(path, directory, allowed)
    }
    return {name: value for name, value in found.items() if value}


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object out of a file beside an adapter.

    Raises:
        AdapterError: there is none, or it is no JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise AdapterError(f"{path} cannot be read: {exc}", "copy the adapter again from where it was trained") from exc
    if not isinstance(value, dict):
        raise AdapterError(f"{path} holds {type(value).__name__}, not a JSON object", "save the adapter again")
    return value


def nonfinite_tensors(path: Path) -> dict[str, int]:
    """Tensor -> how many of its values are NaN or infinite; only those that have any."""
    import torch

    counts = {name: int((~torch.isfinite(tensor)).sum()) for name, tensor in _tensors(path)}
    return {name: count for name, count in counts.items() if count}


def saturated_tensors(path: Path) -> dict[str, int]:
    """Half-precision tensor -> how many of its values stand within 1% of the largest float16; only those with any.

    Values that did not fit are often clipped to it, rather than saved as infinities.
    """
    import torch

    limit = _NEAR_MAX * torch.finfo(torch.float16).max
    halves = ((name, tensor) for name, tensor in _tensors(path) if tensor.dtype == torch.float16)
    counts = {name: int(((tensor.float().abs() >= limit) & tensor.isfinite()).sum()) for name, tensor in halves}
    return {name: count for name, count in counts.items() if count}


def check_adapter_files(directory: Path, *, allowed: Collection[str] = ()) -> None:
    """Refuse a directory that must not or cannot be loaded.

    Raises:
        AdapterError: weights missing or pickled, code beside them, a damaged file, NaN or infinite values.
    """
    unsafe = [*unsafe_files(directory, allowed=allowed), *remote_code(directory, allowed=allowed)]
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


def _tensors(path: Path) -> Iterator[tuple[str, Any]]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        for name in sorted(file.keys()):
            yield name, file.get_tensor(name)


def _is_allowed(path: Path, directory: Path, allowed: Collection[str]) -> bool:
    return path.name in _HARMLESS or path.name in allowed or path.relative_to(directory).as_posix() in allowed


def _is_pickle(path: Path) -> bool:
    """Whether a file is a pickle by its content: protocol 2 or later, bare or in the archive that torch.save makes."""
    with path.open("rb") as stream:
        start = stream.read(2)
    if start == b"PK" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(".pkl") for name in archive.namelist())
    return len(start) == 2 and start[0] == 0x80 and 2 <= start[1] <= 5
