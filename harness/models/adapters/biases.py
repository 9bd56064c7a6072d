"""Biases of the base that were trained with an adapter (PEFT's `bias`): which they are, and the base's own put back.

PEFT writes them over the base's and leaves them there when the adapter is switched off.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class Bias:
    """A bias of a base, and its value there."""

    name: str
    parameter: nn.Parameter
    value: torch.Tensor

    @property
    def is_changed(self) -> bool:
        """Whether something wrote over it since."""
        return not self.parameter.equal(self.value)


def biases_of(base: nn.Module) -> list[Bias]:
    """Every bias of a base that no adapter was put on yet, by PEFT's rule: whatever has the word in its name."""
    return [Bias(name, p, p.detach().clone()) for name, p in base.named_parameters() if "bias" in name]


@contextlib.contextmanager
def put_back(biases: Sequence[Bias]) -> Iterator[None]:
    """The base's own values meanwhile, and those of before on leaving."""
    before = [bias.parameter.data for bias in biases]
    try:
        for bias in biases:
            bias.parameter.data = bias.value
        yield
    finally:
        for bias, value in zip(biases, before, strict=True):
            bias.parameter.data = value
