"""Attention windows that end before the context does."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from harness.engines.strategy import context_length

if TYPE_CHECKING:
    from harness.models.loading import LoadedModel

_NAMES = ("sliding_window", "attention_chunk_size")


def shortest_window(loaded: LoadedModel) -> int | None:
    """Tokens of its shortest window; None where all are as long as the context."""
    config = loaded.in_memory().model.config.get_text_config()
    names = _NAMES if getattr(config, "use_sliding_window", True) else _NAMES[1:]
    shortest = min(filter(None, (getattr(config, name, None) for name in names)), default=None)
    return None if shortest is None or shortest >= context_length(loaded) else shortest


@contextlib.contextmanager
def shortened_windows(model: Any, tokens: int) -> Iterator[bool]:
    """No window is longer meanwhile, so that few tokens show what happens beyond one; whether any was."""
    longer = [
        (one, name, value)
        for one in (model.config.get_text_config(), *model.modules())
        for name in _NAMES
        if isinstance(value := vars(one).get(name), int) and value > tokens
    ]
    for one, name, _ in longer:
        setattr(one, name, tokens)
    try:
        yield bool(longer)
    finally:
        for one, name, value in longer:
            setattr(one, name, value)


def windows_in(cache: Any) -> set[int]:
    """The windows that the layers of a cache cut what they keep by."""
    windows = (getattr(layer, "sliding_window", None) for layer in getattr(cache, "layers", ()))
    return {window for window in windows if window is not None}
