"""A model's weights in memory, which may have to give way to another's."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.models.adapters.biases import Bias


@dataclass(frozen=True)
class Weights:
    """What takes the memory.

    Attributes:
        model: in eval mode, without gradients; with an adapter a PeftModel, or what behaves as one.
        biases: those of the base that were trained with the adapter.
    """

    model: Any
    biases: Sequence[Bias] = ()


class Held:
    """Weights to be asked for each time they are used: this may be kept without keeping their memory."""

    def __init__(self, weights: Weights) -> None:
        self._weights: Weights | None = weights
        self._load: Callable[[], Weights]

    def get(self) -> Weights:
        """The weights, loaded again where they were released."""
        if self._weights is None:
            self._weights = self._load()
        return self._weights

    @property
    def is_released(self) -> bool:
        """Whether they are not in memory now."""
        return self._weights is None

    def release(self, load: Callable[[], Weights]) -> None:
        """Give back their memory.

        Args:
            load: has them again.
        """
        import torch

        self._weights, self._load = None, load
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
