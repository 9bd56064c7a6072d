"""What may be in an adapter directory, found out before anything of it is loaded."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from harness.errors import AdapterError
from harness.json_files import read_json_object
from harness.models.adapters.pickles import holds_pickle
from harness.models.adapters.weights import RESTORE, TensorHeader, nonfinite_tensors, read_tensor_headers

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib")
_CODE = (".py", ".pyc", ".so", ".pyd", ".dll")
# What transformers' Trainer writes about itself beside every adapter and into every checkpoint (transformers/trainer.py).
# Neither PEFT nor anything here ever reads it.
_HARMLESS = re.compile(r"training_args\.bin|optimizer\.(pt|bin)|scheduler\.pt|scaler\.pt|rng_state(_\d+)?\.pth")
_SHARDS = "adapter_model-*-of-*.safetensors"


def unsafe_files(directory: Path, *, allowed: Collection[str] = ()) -> list[str]:
    """Names of files that could run code when loaded: pickles, whatever they are called, and code.

    Links to directories elsewhere count too: anything may lie behind them, today or tomorrow.

    Args:
        allowed: names of files, or paths within the directory, that may be there all the same; nothing loads them.
    """
    return sorted(
        str(path.relative_to(directory))
        for path in directory.rglob("*")
        if not _is_allowed(path, directory, allowed) and _is_unsafe(path, directory)
    )


def read_weights(directory: Path, *, allowed: Collection[str] = ()) -> Mapping[str, TensorHeader]:
    """The header of the adapter's weights; those of other safetensors files beside them must be readable too.

    Raises:
        AdapterError: there are no weights, or they lie in parts.
    """
    weights = directory / WEIGHTS
    if not weights.is_file():
        shards = sorted(path.name for path in directory.glob(_SHARDS))
        if shards:
            raise AdapterError(
                f"{directory} holds no {WEIGHTS} but {len(shards)} parts of it: {', '.join(shards)}",
                f"PEFT loads one file: join the tensors of all parts in one {WEIGHTS} (load_file and save_file of "
                "safetensors.torch) and remove the parts",
            )
        raise AdapterError(f"{directory} holds no {WEIGHTS}", "save the adapter with PEFT's save_pretrained")
    for path in sorted(directory.rglob("*.safetensors")):
        if path != weights and not _is_allowed(path, directory, allowed):
            read_tensor_headers(path)
    return read_tensor_headers(weights)


def remote_code(directory: Path, *, allowed: Collection[str] = ()) -> dict[str, Any]:
    """Configuration file -> its `auto_map`, which tells transformers to run Python code out of a repository."""
    found = {
        str(path.relative_to(directory)): read_json(path).get("auto_map")
        for path in sorted(directory.rglob("*config.json"))
        if not _is_allowed(path, directory, allowed)
    }
    return {name: value for name, value in found.items() if value}


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object out of a file beside an adapter (AdapterError where there is none)."""
    return read_json_object(path, AdapterError, RESTORE)


def check_adapter_files(directory: Path, *, allowed: Collection[str] = ()) -> None:
    """Refuse a directory that must not or cannot be loaded.

    Raises:
        AdapterError: weights missing or pickled, code beside them, a damaged file, NaN or infinite values.
    """
    unsafe = [*unsafe_files(directory, allowed=allowed), *remote_code(directory, allowed=allowed)]
    if unsafe:
        raise AdapterError(
            f"{directory} holds files that can run code when loaded (or links out of it): {', '.join(unsafe)}",
            "save the adapter with save_pretrained (safetensors) and remove these files",
        )
    if not read_weights(directory, allowed=allowed):
        raise AdapterError(f"{directory / WEIGHTS} holds no tensors", "train the adapter again")
    broken = nonfinite_tensors(directory / WEIGHTS)
    if broken:
        name, count = next(iter(broken.items()))
        raise AdapterError(
            f"{directory} holds NaN or infinities in {len(broken)} tensors, first {name} ({count} values)",
            "train again with a lower learning rate or in bfloat16; use no checkpoint after this one",
        )


def _is_allowed(path: Path, directory: Path, allowed: Collection[str]) -> bool:
    within = path.relative_to(directory).as_posix()
    return _HARMLESS.fullmatch(path.name) is not None or path.name in allowed or within in allowed


def _is_unsafe(path: Path, directory: Path) -> bool:
    if path.is_dir():
        return path.is_symlink() and not path.resolve().is_relative_to(directory.resolve())
    # a safetensors file starts with the length of its header, which may well look like a pickle's mark
    return path.is_file() and (
        path.suffix.lower() in (*_PICKLES, *_CODE) or (path.suffix != ".safetensors" and holds_pickle(path))
    )
