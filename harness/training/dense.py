"""On which machines NF4 weights are trained with as dense ones: the same function, computed faster."""

from __future__ import annotations

from harness.training.recipe import Recipe


def trains_dense(recipe: Recipe, device: str) -> bool:
    """Whether the weights that bitsandbytes would pack are computed with dense while an adapter is trained on them.

    Its kernels are for GPUs; elsewhere a step by them takes longer, and gradients agree but for rounding
    (`benchmarks/training_packed.py`). Evaluation there is dense too, so that the memory is needed either way.
    """
    return recipe.quantization != "none" and not device.startswith("cuda")
