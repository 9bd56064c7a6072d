"""One plain forward of a model, and what to say where it has none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.errors import AdapterError, ModelError, first_line

if TYPE_CHECKING:
    import torch


def is_out_of_memory(exc: BaseException) -> bool:
    """Whether a library ran out of memory, whatever exception it has for that."""
    text = str(exc).lower()
    return isinstance(exc, MemoryError) or "out of memory" in text or "can't allocate memory" in text


def plain_logits(model: Any, tokens: Sequence[int], *, rows: int = 1) -> torch.Tensor:
    """Logits of shape (tokens, vocabulary) of one sequence computed alone, without a cache: what others are held against.

    Args:
        rows: how many copies of it are read at once, of which the first is returned.

    Raises:
        AdapterError: an adapter's layer does not fit into the model's own code; the message names it.
        ModelError: the model cannot compute, as where a package is missing that its architecture needs.
    """
    import torch

    try:
        ids = torch.tensor([list(tokens)] * rows, device=model.device)
        logits: torch.Tensor = model(input_ids=ids, use_cache=False).logits[0]
    except Exception as exc:  # the model's code may raise anything; nothing is hidden
        if is_out_of_memory(exc):
            raise
        said = f"{first_line(exc)} ({type(exc).__name__})"
        layer = _failing_layer(model, exc)
        if layer is None:
            raise ModelError(
                f"{_name(model)} cannot compute a single forward: {said}",
                "install what the message names, or update transformers; if its configuration was edited, undo that",
            ) from exc
        raise AdapterError(
            f"{_name(model)} cannot compute with an adapter on {layer}: {said}",
            f"train without it: exclude_modules: [{layer.rpartition('.')[2]}]",
        ) from exc
    return logits


def _name(model: Any) -> str:
    return f"a model of type {model.config.model_type!r}"


def _failing_layer(model: Any, exc: BaseException) -> str | None:
    """The innermost layer of an adapter in which an exception was raised, by its name in the base."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    names = {id(module): name for name, module in model.named_modules()}
    found, trace = None, exc.__traceback__
    while trace is not None:
        module = trace.tb_frame.f_locals.get("self")
        if isinstance(module, BaseTunerLayer) and id(module) in names:
            found = names[id(module)].removeprefix("base_model.model.")
        trace = trace.tb_next
    return found
