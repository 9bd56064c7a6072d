"""Names of an adapter's tensors: as PEFT's `save_pretrained` writes them, out of what other trainers wrote."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from harness.errors import AdapterError
from harness.models.adapters.files import CONFIG, WEIGHTS, adapter_headers

PREFIX = "base_model.model."
VIRTUAL_TOKENS = ("prompt_embeddings", "prefix_task_cols", "prefix_task_rows")
"""Tensors of the methods that put trained vectors before a text, by PEFT's names."""
# What PEFT keeps outside the base's modules: projections that modules share (`base_model.vera_A`), and virtual tokens.
_SHARED = re.compile(rf"base_model\.(?!model\.)|(?:{'|'.join(VIRTUAL_TOKENS)})$")
EXPERT = re.compile(r"\.experts\.\d+\.")
# A model that was wrapped twice has the prefix twice; data-parallel training puts its own before it.
_PREFIXES = re.compile(rf"(?:module\.)*(?:{re.escape(PREFIX)})*")
# Names that torch.compile, FSDP and activation checkpointing put wherever they wrap a module.
_WRAPPERS = re.compile(r"(?<![^.])(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
# State dicts saved by hand keep the adapter's name in their keys: `.lora_A.default.weight`.
_NAMED = re.compile(
    r"\.(lora_A|lora_B|lora_embedding_A|lora_embedding_B)\.(?!weight$|bias$)[^.]+(?=\.(?:weight|bias)$|$)"
)
# DoRA's magnitudes are a module in memory and a bare tensor in PEFT's files.
_MAGNITUDE = re.compile(r"\.lora_magnitude_vector(?:\.[^.]+){0,2}$")
_SAVED_MODULE = re.compile(r"\.modules_to_save\.[^.]+(?=\.)")


def canonical_name(name: str) -> str:
    """A tensor's name in PEFT's own form; what belongs to no module of the base has no prefix to lack.

    Read are names without the prefix `base_model.model.`, with it twice (a model wrapped twice), with the adapter's
    name in them, with `modules_to_save`, and with the names of what wrapped the model for training (`_orig_mod`).
    """
    if _SHARED.match(name):
        return name
    name = _PREFIXES.sub("", _WRAPPERS.sub("", name), count=1)
    name = _MAGNITUDE.sub(".lora_magnitude_vector", _NAMED.sub(r".\1", name))
    return PREFIX + _SAVED_MODULE.sub("", name)


def canonical_names(path: Path) -> Mapping[str, str]:
    """Tensor in the file -> its name in PEFT's own form.

    Raises:
        AdapterError: the file is damaged, or two of its tensors go by the same name.
    """
    names = {name: canonical_name(name) for name in adapter_headers(path.parent)}
    taken: dict[str, str] = {}
    for name, canonical in names.items():
        if canonical in taken:
            raise AdapterError(
                f"{path} holds {taken[canonical]} and {name}, which are the same tensor",
                "save one adapter alone, with PEFT's save_pretrained",
            )
        taken[canonical] = name
    return names


@contextlib.contextmanager
def as_peft_writes(adapter: Path, *, without: Collection[str] = ()) -> Iterator[Path]:
    """A directory that holds the adapter as PEFT itself would have saved it: its own, where it is so already.

    PEFT passes over tensors whose names are not in its form, and leaves B at zero.

    Args:
        without: tensors to leave out, by their names in PEFT's form.
    """
    names = canonical_names(adapter / WEIGHTS)
    if not without and all(name == canonical for name, canonical in names.items()):
        yield adapter
        return
    from safetensors import safe_open
    from safetensors.torch import save_file

    with tempfile.TemporaryDirectory() as directory:
        with safe_open(adapter / WEIGHTS, framework="pt") as file:
            tensors = {
                canonical: file.get_tensor(name) for name, canonical in names.items() if canonical not in without
            }
        save_file(tensors, Path(directory) / WEIGHTS, metadata={"format": "pt"})
        shutil.copy(adapter / CONFIG, directory)
        yield Path(directory)
