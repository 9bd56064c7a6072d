"""A model's own cache: as it hands it out, forked over rows that continue it, and rows of several joined for decoding."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# A pure state-space model hands its cache out, and takes it, by a name of its own.
_NAMES = ("past_key_values", "cache_params")


@dataclass(frozen=True)
class ModelCache:
    """What a model keeps of the texts so far.

    Attributes:
        name: of the argument that takes it.
        content: None before any text.
    """

    name: str = _NAMES[0]
    content: Any = None

    @property
    def has_columns(self) -> bool:
        """Whether a mask can tell which of what it keeps is a row's own; states have none."""
        return self.name == _NAMES[0]

    def as_arguments(self) -> dict[str, Any]:
        """By its name; nothing before any text."""
        return {} if self.content is None else {self.name: self.content}

    def keep(self, rows: torch.Tensor) -> None:
        """Keep these rows alone, in this order.

        Args:
            rows: indices, shape (rows to keep,).
        """
        self.content.reorder_cache(rows)  # beam search's: recurrent layers have no `batch_select_indices`

    def forked(self, rows: torch.Tensor) -> ModelCache:
        """A copy for texts that each continue one of the rows; this cache stays as it is.

        Args:
            rows: which row each continues, shape (texts,).
        """
        if self.content is None:
            return self
        fork = ModelCache(self.name, copy.deepcopy(self.content))
        fork.keep(rows)
        return fork


def handed_out(output: Any) -> ModelCache:
    """The cache in a model's output.

    Raises:
        RuntimeError: there is none.
    """
    for name in _NAMES:
        if getattr(output, name, None) is not None:
            return ModelCache(name, getattr(output, name))
    raise RuntimeError("it hands out no cache")


@dataclass(frozen=True)
class Part:
    """Rows of a cache.

    Attributes:
        rows: their indices, shape (rows,).
        columns: tokens of text in the cache, the widest row's.
    """

    cache: ModelCache
    rows: torch.Tensor
    columns: int


def joined(
    parts: Sequence[Part], columns: int, *, virtual_tokens: int = 0, used_up: ModelCache | None = None
) -> ModelCache:
    """One cache of all parts' rows, each row's last token in the last column, as if all were computed with padding before them.

    Args:
        parts: one that has more columns loses the first ones: padding of all its rows.
        columns: of text, as many as the longest row has.
        virtual_tokens: so many columns come before the padding.
        used_up: gives up each layer as soon as that is joined, so that no more than one is there twice.

    Raises:
        RuntimeError: layers keep something that is not known here.
    """
    first = parts[0].cache
    layers = zip(*(list(part.cache.content.layers) for part in parts), strict=True)
    content = copy.copy(first.content)
    content.layers = []
    for number, held in enumerate(layers):
        content.layers.append(_joined_layer(held, parts, columns, virtual_tokens))
        if used_up is not None and used_up.content is not None:
            used_up.content.layers[number] = None
    return ModelCache(first.name, content)


def _joined_layer(held: Sequence[Any], parts: Sequence[Part], columns: int, virtual_tokens: int) -> Any:
    layer = copy.copy(held[0])
    if type(layer) not in _joinable() or any(type(other) is not type(layer) for other in held):
        raise RuntimeError(f"its cache has layers of {type(layer).__name__}")
    for name in ("conv_states", "recurrent_states"):
        if hasattr(layer, name):
            states = [getattr(one, name) for one in held]
            setattr(layer, name, {key: _stacked([one[key] for one in states], parts) for key in states[0]})
    if getattr(layer, "keys", None) is not None:
        window = getattr(layer, "sliding_window", None)
        width = virtual_tokens + columns if window is None else min(virtual_tokens + columns, window - 1)
        layer.keys = _aligned([one.keys for one in held], parts, width, virtual_tokens)
        layer.values = _aligned([one.values for one in held], parts, width, virtual_tokens)
        if window is not None:
            layer.cumulative_length = virtual_tokens + columns
    return layer


def _stacked(states: Sequence[torch.Tensor | None], parts: Sequence[Part]) -> torch.Tensor | None:
    """The parts' rows of a state that has no columns; None where no part has it."""
    import torch

    there = [
        state.index_select(0, part.rows.to(state.device))
        for state, part in zip(states, parts, strict=True)
        if state is not None
    ]
    if there and len(there) < len(states):
        raise RuntimeError("its cache has states of some texts alone")
    return torch.cat(there) if there else None


def _aligned(held: Sequence[torch.Tensor], parts: Sequence[Part], width: int, before: int) -> torch.Tensor:
    """The parts' rows of keys or values, each of shape (rows, heads, columns, size), with padding up to `width`.

    Args:
        before: columns that stay in front of the padding.
    """
    count = sum(len(part.rows) for part in parts)
    out = held[0].new_zeros((count, held[0].shape[1], width, held[0].shape[3]))
    start = 0
    for tensor, part in zip(held, parts, strict=True):
        stop = start + len(part.rows)
        text = min(tensor.shape[2], width) - before
        rows = part.rows.to(tensor.device)  # layers may be on several devices
        out[start:stop, :, :before] = tensor[:, :, :before].index_select(0, rows)
        out[start:stop, :, width - text :] = tensor[:, :, tensor.shape[2] - text :].index_select(0, rows)
        start = stop
    return out


def _joinable() -> tuple[type, ...]:
    from transformers import cache_utils

    return (
        cache_utils.DynamicLayer,
        cache_utils.DynamicSlidingWindowLayer,
        cache_utils.LinearAttentionLayer,
        cache_utils.LinearAttentionAndFullAttentionLayer,
        cache_utils.LinearAttentionAndSlidingWindowAttentionLayer,
        cache_utils.DummyLayer,
    )
