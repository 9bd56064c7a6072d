"""An adapter merged into a model in memory for a while, and the base weights back bit for bit afterwards."""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from harness.errors import first_line

if TYPE_CHECKING:
    from torch import nn

    from harness.models.loading import LoadedModel


class MergeRefusedError(Exception):
    """PEFT has no merge for this adapter on this base; the message is its own."""


@contextlib.contextmanager
def merged_in_place(loaded: LoadedModel) -> Iterator[Sequence[nn.Module]]:
    """The adapter merged into its base layers, and the exact base weights back on leaving.

    A 4-bit base takes the change into dense weights, those which its packed ones stand for. `round_to_nf4` of the
    layers yielded then gives what PEFT's merge into packed weights does: dequantise, add, quantise anew.

    PEFT's own unmerge subtracts what it added, which does not restore bfloat16 weights.

    Yields:
        Of a 4-bit base the layers that were merged into, now dense; else none.

    Raises:
        MergeRefusedError: PEFT does not merge it.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    from harness.models.quantization import dense_copy

    layers = [module for module in loaded.model.modules() if isinstance(module, BaseTunerLayer)]
    packed = [(m, m.base_layer) for m in layers if any(not p.is_floating_point() for p in m.base_layer.parameters())]
    dense = [p for m in layers for p in m.base_layer.parameters() if p.is_floating_point()]
    kept = [p.detach().clone() for p in dense]
    unpacked = [layer for layer, _ in packed] if loaded.quantization == "nf4" else []
    try:
        for layer, base in packed:
            # a merge into 8 bits quantises anew and replaces scales and all
            layer.base_layer = dense_copy(base, loaded.model.dtype) if unpacked else copy.deepcopy(base)
        _merge(loaded.model, unpacked)
        adapted = {id(layer.get_base_layer()) for layer in layers}
        rounded = [layer for layer in loaded.rounded_layers if id(layer) in adapted]
        yield [*rounded, *(layer.get_base_layer() for layer in unpacked)]
    finally:
        for layer in layers:
            layer.merged_adapters.clear()
        for parameter, value in zip(dense, kept, strict=True):
            parameter.data.copy_(value)
        for layer, base in packed:
            layer.base_layer = base


def _merge(model: Any, unpacked: Sequence[Any]) -> None:
    """Merge by PEFT. `unpacked` are layers it made for packed weights, and which have dense ones now."""
    import torch
    from peft.tuners.lora import Linear

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rounding, which is what is measured, and of layers that are merged already
        try:
            for layer in unpacked:
                Linear.merge(layer)
            model.merge_adapter()
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, ValueError, NotImplementedError, AttributeError) as exc:
            raise MergeRefusedError(first_line(exc)) from exc
