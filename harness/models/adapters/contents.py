"""What lies in a directory that was passed as an adapter and cannot be loaded as one, and the command that mends it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.errors import AdapterError, some_of

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
_PICKLED = "adapter_model.bin"
_LFS_MARK = b"version https://git-lfs.github.com/spec/"
# An adapter may lie one or two levels down: `default/`, `checkpoint-200/`, `run/adapter/`.
_DEEPEST = 2
# What TRL and PEFT call the adapter that was trained, beside one to compare it with.
_TRAINED = ("default", "adapter", "policy", "train")
_SHOWN = 5
# not the value head that an adapter of PPO has beside it, and not MLX's `adapters.safetensors`
_MODEL = re.compile(r"(?:(?:pytorch_)?model|consolidated)\b.*\.safetensors")
_SAVE = "save the adapter with PEFT's save_pretrained"


def is_lfs_pointer(path: Path) -> bool:
    """Whether a file is what git keeps in place of one that lies in Git LFS."""
    with contextlib.suppress(OSError), path.open("rb") as stream:
        return stream.read(len(_LFS_MARK)) == _LFS_MARK
    return False


def lfs_pull(path: Path) -> tuple[str, str]:
    """What is wrong with such a file, and what to do."""
    held = "the weights" if path.suffix == ".safetensors" else "the file itself"
    return f"{path} is a Git LFS pointer, not {held}", f"run git lfs pull: git -C {path.parent} lfs pull"


def is_adapter(directory: Path) -> bool:
    """Whether a directory holds an adapter and no model of its own."""
    return (directory / CONFIG).is_file() and not any(_MODEL.fullmatch(path.name) for path in directory.iterdir())


def what_lies_there(directory: Path) -> AdapterError:
    """The error for a directory without an adapter that PEFT could load from it: what it holds instead, and what to do."""
    problem, remedy = next(_findings(directory))
    return AdapterError(f"{directory} {problem}", remedy)


def _findings(directory: Path) -> Iterator[tuple[str, str]]:
    """What it holds, the most telling first: each a problem to follow the directory's name, and a remedy."""
    if not directory.is_dir():
        there = "is a file" if directory.exists() else "does not exist"
        yield f"{there}: --adapter takes a directory with {CONFIG} and {WEIGHTS}", _SAVE
        return
    names = sorted(path.name for path in directory.iterdir())
    if _PICKLED in names:
        yield (
            f"holds no {WEIGHTS}; {_PICKLED} is a pickle, which can run code and is never loaded",
            f'where you trust it, convert it: cd {directory} && python -c "import torch; from safetensors.torch import '
            f"save_file; save_file({{n: t.contiguous() for n, t in torch.load('{_PICKLED}', weights_only=True, "
            f"map_location='cpu').items()}}, '{WEIGHTS}', metadata={{'format': 'pt'}})\", and remove it",
        )
    if WEIGHTS in names and CONFIG not in names:
        yield f"holds {WEIGHTS} and no {CONFIG}", f"copy the {CONFIG} that was saved with these weights beside it"
    below = _adapters_below(directory)
    if below:
        listed = _named([f"{name}/" for name in below])
        which = "each an adapter: pass one" if below[1:] else "which is an adapter: pass it"
        trained = next((name for name in below if name.endswith(_TRAINED)), below[-1])
        yield f"is no adapter itself; it holds {listed}, {which}", f"--adapter={directory / trained}"
    gguf = _named(names, r".*\.gguf")
    if gguf:
        yield (
            f"holds a GGUF file ({gguf}), which llama.cpp reads and PEFT does not",
            "pass the PEFT adapter that it was converted from; served by llama.cpp, it can be measured as openai:NAME@URL",
        )
    diffusion = _named(names, r"pytorch_lora_weights\.(?:safetensors|bin)")
    if diffusion:
        yield f"holds a LoRA of diffusers ({diffusion}), for a model of images", "pass an adapter of a language model"
    model = _named(names, r"(?:model|pytorch_model)\b.*\.(?:safetensors|bin)(?:\.index\.json)?")
    if model:
        yield (
            f"holds a whole model ({model}), not an adapter",
            f"--candidate={directory} puts it on trial; to hold it against the adapter that it was merged from, pass that, and "
            "name the model by `serving: merged:` in assay.yaml",
        )
    if CONFIG in names:
        yield f"holds {CONFIG} and no {WEIGHTS}", f"copy its {WEIGHTS} there, or {_SAVE}"
    yield f"holds no {CONFIG}: {f'there are {_named(names)}' if names else 'it is empty'}", _SAVE


def _named(names: Sequence[str], pattern: str = ".*") -> str:
    """Of some names those of a pattern, the first few joined; empty where there are none."""
    found = [name for name in names if re.fullmatch(pattern, name)]
    return some_of(found, _SHOWN)


def _adapters_below(directory: Path) -> list[str]:
    """Directories below that hold an adapter, by their paths within; of checkpoints the newest is the last."""
    found = [
        path.parent.relative_to(directory).as_posix()
        for depth in range(1, _DEEPEST + 1)
        for path in directory.glob("*/" * depth + CONFIG)
    ]
    return sorted(found, key=lambda name: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)])
