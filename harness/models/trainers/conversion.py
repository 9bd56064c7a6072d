"""An adapter that PEFT does not load as it lies, as one that it does: kept in the cache, beside links to all else of it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.digests import digest_json
from harness.errors import AdapterError
from harness.models.adapters.contents import CONFIG, WEIGHTS
from harness.models.adapters.names import PREFIX
from harness.models.adapters.weights import read_tensor_headers
from harness.models.identity import cached_file_digest
from harness.paths import cache_dir, write_atomic

if TYPE_CHECKING:
    import torch

REVISION = 1
"""Raised when what is made of the same files changes."""


@dataclass(frozen=True)
class Conversion:
    """How an adapter becomes PEFT's.

    Attributes:
        sources: the files it is made of; they are left out of what is made.
        config: what PEFT reads as adapter_config.json.
        name: a tensor's name in the sources -> its own in PEFT's form; None leaves it out.
        value: that tensor, by the name it had.
    """

    sources: Sequence[Path]
    config: Mapping[str, Any]
    name: Callable[[str], str | None] = lambda name: name
    value: Callable[[str, torch.Tensor], torch.Tensor] = field(default=lambda name, tensor: tensor)


def converted(directory: Path, conversion: Conversion) -> Path:
    """The directory that holds what is made of another; made once."""
    files = {str(path.relative_to(directory)): cached_file_digest(path) for path in conversion.sources}
    beside = sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if not path.is_dir())
    digest = digest_json([REVISION, str(directory.resolve()), files, dict(conversion.config), beside])
    made = cache_dir() / "converted" / digest
    if not made.is_dir():
        made.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=made.parent) as scratch:
            _write(directory, conversion, Path(scratch) / "made")
            try:
                (Path(scratch) / "made").rename(made)
            except OSError:
                if not made.is_dir():  # else another process made the same
                    raise
    return made


def _write(directory: Path, conversion: Conversion, made: Path) -> None:
    from safetensors.torch import save_file

    replaced = {path.resolve() for path in conversion.sources} | {
        (directory / name).resolve() for name in (CONFIG, WEIGHTS)
    }

    def left_out(folder: str, names: list[str]) -> list[str]:
        # a part of a source is no use without it, and links to directories lead anywhere
        return [
            name
            for name in names
            if (path := Path(folder, name)).resolve() in replaced or (path.is_symlink() and path.is_dir())
        ]

    shutil.copytree(directory.resolve(), made, copy_function=os.symlink, ignore=left_out)
    save_file(dict(_tensors(conversion)), made / WEIGHTS, metadata={"format": "pt"})
    write_atomic(made / CONFIG, json.dumps(conversion.config, indent=1))


def _tensors(conversion: Conversion) -> Iterator[tuple[str, torch.Tensor]]:
    from safetensors import safe_open

    taken: dict[str, Path] = {}
    for path in (path for path in conversion.sources if path.suffix == ".safetensors"):
        with safe_open(path, framework="pt") as file:
            for name in list(file.keys()):
                own = conversion.name(name)
                if own is None:
                    continue
                if own in taken:
                    raise AdapterError(
                        f"{path} holds {name}, which {taken[own].name} holds too", "save the adapter again in one piece"
                    )
                taken[own] = path
                yield own, conversion.value(name, file.get_tensor(name)).contiguous()


def tensor_shapes(paths: Sequence[Path]) -> dict[str, tuple[int, ...]]:
    """Name -> shape of all tensors of these files; raises AdapterError where one is damaged."""
    return {name: header.shape for path in paths for name, header in read_tensor_headers(path).items()}


def lora_config(modules: Sequence[str], *, r: int, alpha: float, base: str | None, **more: Any) -> dict[str, Any]:
    """The configuration of LoRA on these modules, by their whole names in the base."""
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": r,
        "lora_alpha": int(alpha) if float(alpha).is_integer() else alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": sorted({module.removeprefix(PREFIX) for module in modules}),
        "base_model_name_or_path": base,
        **more,
    }
