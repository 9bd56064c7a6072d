"""What may be in an adapter directory, found out before anything of it is loaded."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from harness.errors import AdapterError
from harness.json_files import read_json_object, repeated_keys
from harness.models.adapters.contents import CONFIG as CONFIG
from harness.models.adapters.contents import WEIGHTS as WEIGHTS
from harness.models.adapters.contents import what_lies_there
from harness.models.adapters.pickles import holds_pickle
from harness.models.adapters.weights import RESTORE, TensorHeader, bad_values, read_tensor_headers

_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib")
_CODE = (".py", ".pyc", ".so", ".pyd", ".dll")
# What a directory of weights is loaded from: no pattern allows these.
_LOADED = re.compile(r"(?:adapter_model|pytorch_model(?!_fsdp)|model)\b.*")
# The state of training beside an adapter, by its path: what transformers' Trainer, accelerate (FSDP), DeepSpeed and Megatron
# write to go on from. Neither PEFT nor anything here ever reads it. Code among it is none of it, but for the script that
# DeepSpeed puts beside its state.
_TRAINING_STATE = re.compile(
    r"(?:.*/)?(?:"
    r"training_args\.bin|(?:optimizer|scheduler|sampler|dl_state_dict)(?:_\d+)?\.(?:pt|bin)|scaler\.pt"
    r"|rng_state(?:_\d+)?\.pth|(?:random_states|custom_checkpoint)_\d+\.pkl|pytorch_model_fsdp(?:_\d+)?\.bin"
    r"|zero_to_fp32\.py|recipe_state\.pt|(?:(?:bf16_|fp16_)?zero_pp_rank_\d+_)?mp_rank_\d+_(?:model|optim)_states\.pt"
    r"|(?:global_step|iter_)\d+(?:_universal)?/(?:[^/]+/)*[^/]+\.pt"
    r"|[^/]+\.distcp"
    r")"
)
# What methods of PEFT's keep beside trained values: where in a weight they act (SHiRA, VB-LoRA, UniLoRA), and its size (FRoD).
_INDICES = re.compile(r"(?:indices|index|size)")
_FLOATS = (
    "trained values are no whole numbers: save it again from where it was trained, in float32, bfloat16 or float16; no serving "
    "reads a quantised adapter"
)
_EMPTY = "the weights are empty, as DeepSpeed ZeRO-3 saves them before they are gathered"
_GATHER = (
    "set stage3_gather_16bit_weights_on_model_save in its configuration and save again, or rebuild them with the "
    "zero_to_fp32.py beside its checkpoint"
)


def unsafe_files(directory: Path, *, allowed: Collection[str] = ()) -> list[str]:
    """Names of files that could run code when loaded: pickles, whatever they are called, and code.

    Links to directories elsewhere count too: anything may lie behind them, today or tomorrow.

    Args:
        allowed: files that may be there all the same, by name, by path within the directory or by a pattern of either
            ("global_step*/*"); nothing loads them.
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
    headers = adapter_headers(directory)
    for path in sorted(directory.rglob("*.safetensors")):
        if path != directory / WEIGHTS and not _is_allowed(path, directory, allowed):
            read_tensor_headers(path)
    return headers


def adapter_headers(directory: Path) -> Mapping[str, TensorHeader]:
    """The header of the adapter's weights alone.

    Raises:
        AdapterError: it cannot be read, or the weights are not in it.
    """
    if not (directory / WEIGHTS).is_file():
        raise what_lies_there(directory)
    headers = read_tensor_headers(directory / WEIGHTS)
    empty = [name for name, header in headers.items() if header.shape == (0,)]
    if empty or not headers:
        which = f"{len(empty)} of {len(headers)} tensors have no values, first {empty[0]}" if empty else "no tensors"
        raise AdapterError(f"{directory / WEIGHTS} ({which}): {_EMPTY}", _GATHER)
    rounded = {n: h.dtype for n, h in headers.items() if not h.is_float and not _INDICES.search(n)}
    if rounded:
        name, dtype = next(iter(rounded.items()))
        raise AdapterError(
            f"{directory / WEIGHTS} holds {len(rounded)} tensors of integers, first {name} ({dtype})", _FLOATS
        )
    return headers


def read_adapter_config(directory: Path) -> dict[str, Any]:
    """The adapter's configuration.

    Raises:
        AdapterError: it cannot be read, or gives one key two values, of which readers take one or the other.
    """
    config = read_json(directory / CONFIG)
    repeated = repeated_keys(directory / CONFIG)
    if repeated:
        key, (first, last) = next(iter(repeated.items()))
        raise AdapterError(
            f"{directory / CONFIG} gives {key} twice: {first!r} and {last!r}",
            "keep the value it was trained with; readers of JSON take one or the other",
        )
    return config


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
    if not (directory / WEIGHTS).is_file():
        raise what_lies_there(directory)
    unsafe = [*unsafe_files(directory, allowed=allowed), *remote_code(directory, allowed=allowed)]
    if unsafe:
        raise AdapterError(
            f"{directory} holds files that can run code when loaded (or links out of it): {', '.join(unsafe)}",
            "save the adapter with save_pretrained (safetensors) and remove these files",
        )
    read_weights(directory, allowed=allowed)
    broken = bad_values(directory / WEIGHTS).nonfinite
    if broken:
        name, count = next(iter(broken.items()))
        raise AdapterError(
            f"{directory} holds NaN or infinities in {len(broken)} tensors, first {name} ({count} values)",
            "train again with a lower learning rate or in bfloat16; use no checkpoint after this one",
        )


def _is_allowed(path: Path, directory: Path, allowed: Collection[str]) -> bool:
    within = path.relative_to(directory).as_posix()
    if path.is_symlink() and path.is_dir():
        return within in allowed or path.name in allowed
    if _TRAINING_STATE.fullmatch(within) and not _LOADED.fullmatch(path.name):
        return True
    if path.name == "adapter_model.pt" and path.with_suffix(".safetensors").is_file():
        return True  # torchtune's own copy, to go on from: PEFT and transformers know no such name
    if path.name == ".metadata" and any(path.parent.glob("*.distcp")):
        return True  # the index of a checkpoint of torch.distributed
    return any(
        pattern in (path.name, within)
        or (not _LOADED.fullmatch(path.name) and (fnmatchcase(path.name, pattern) or fnmatchcase(within, pattern)))
        for pattern in allowed
    )


def _is_unsafe(path: Path, directory: Path) -> bool:
    if path.is_dir():
        return path.is_symlink() and not path.resolve().is_relative_to(directory.resolve())
    # a safetensors file starts with the length of its header, which may well look like a pickle's mark
    return path.is_file() and (
        path.suffix.lower() in (*_PICKLES, *_CODE) or (path.suffix != ".safetensors" and holds_pickle(path))
    )
