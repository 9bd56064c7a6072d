"""The ranks that AdaLoRA keeps of those that it began with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.models.adapters.names import PREFIX


def is_adalora(config: Mapping[str, Any]) -> bool:
    """Whether a configuration's ranks follow AdaLoRA's rules rather than LoRA's."""
    return config.get("peft_type") == "ADALORA" and isinstance(config.get("init_r"), int)


def kept_ranks(rank_pattern: object) -> dict[str, int]:
    """Module -> how many of its ranks were kept; empty where nothing was pruned, or what says so is malformed."""
    pattern = rank_pattern if isinstance(rank_pattern, Mapping) else {}
    return {name.removesuffix(".lora_E"): sum(kept) for name, kept in pattern.items() if isinstance(kept, list)}


def pruned_shapes(shapes: Mapping[str, tuple[int, ...]], ranks: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors with the ranks that were kept: the second dimension of B, the first of A and E."""
    pruned = dict(shapes)
    for module, rank in ranks.items():
        for letter in "ABE":
            name = f"{PREFIX}{module}.lora_{letter}"
            if name in pruned:
                first, second = pruned[name]
                pruned[name] = (first, rank) if letter == "B" else (rank, second)
    return pruned
