"""The base's own embeddings in an adapter's file: PEFT saves them along where they are targeted or were resized."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# peft.utils.other.EMBEDDING_LAYER_NAMES, and what GPT-2 and GPT-NeoX call them.
EMBEDDINGS = re.compile(r"\.(embed_tokens|lm_head|wte|embed_in|embed_out)\.")
_WEIGHT = re.compile(
    r"^base_model\.model\.(?P<module>.*(?:embed_tokens|lm_head|wte|embed_in|embed_out))(?:\.base_layer)?\.weight$"
)


def embedding_copies(weights: Path, names: Mapping[str, str], base: Path) -> list[str]:
    """Which tensors are the base's embeddings, value for value (in the precision of the copy).

    Args:
        weights: the adapter's file.
        names: tensor in the file -> its name in PEFT's own form; the tensors to look at.

    Returns:
        Names in PEFT's own form, sorted.
    """
    asked = {name: match["module"] for name, canonical in names.items() if (match := _WEIGHT.match(canonical))}
    if not asked:
        return []
    import torch
    from safetensors import safe_open

    found = []
    with safe_open(weights, framework="pt") as file:
        for name, module in asked.items():
            own, copy = _base_weight(base, module), file.get_tensor(name)
            if own is not None and own.shape == copy.shape and torch.equal(own.to(copy.dtype), copy):
                found.append(names[name])
    return sorted(found)


def _base_weight(base: Path, module: str) -> torch.Tensor | None:
    """A module's weight out of the base's files; of a tied head, that of the embeddings. None where there is none."""
    from safetensors import safe_open

    for wanted in (f"{module}.weight", "model.embed_tokens.weight" if module == "lm_head" else None):
        for path in sorted(base.glob("*.safetensors")):
            with safe_open(path, framework="pt") as file:
                if wanted in file.keys():  # noqa: SIM118
                    weight: torch.Tensor = file.get_tensor(wanted)
                    return weight
    return None
