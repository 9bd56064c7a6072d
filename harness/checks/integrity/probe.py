"""What base and candidate say to the probe texts, asked once and compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.models.probing import probe_log_probs

if TYPE_CHECKING:
    import torch

    from harness.models.loading import LoadedModel


class Observed:
    """Base and candidate as they answered when first asked.

    Args:
        loaded: the candidate, which nothing changes meanwhile.
        base: the base, where it is a model of its own; else it is the candidate's with the adapter off.
    """

    def __init__(self, loaded: LoadedModel, base: LoadedModel | None = None) -> None:
        self._loaded = loaded
        self._base = base or loaded

    @cached_property
    def base(self) -> torch.Tensor:
        """Log-probabilities of the base, of shape (positions, vocabulary)."""
        with self._base.adapter(on=False) as model:
            return probe_log_probs(model, self._base.tokenizer, after=self._loaded.invocation)

    @cached_property
    def off(self) -> torch.Tensor:
        """Log-probabilities of the candidate with its adapter off."""
        return self.base if self._base is self._loaded else Observed(self._loaded).base

    @property
    def candidate(self) -> torch.Tensor:
        """The same of the candidate."""
        return self._candidate_and_layers[0]

    @property
    def layers(self) -> Mapping[int, float]:
        """Layer -> how large what the adapter adds to its modules' outputs is, beside those outputs; empty without one."""
        return self._candidate_and_layers[1]

    @cached_property
    def _candidate_and_layers(self) -> tuple[torch.Tensor, Mapping[int, float]]:
        with self._loaded.adapter(on=self._loaded.has_adapter) as model, _contributions(model) as layers:
            log_probs = probe_log_probs(model, self._loaded.tokenizer, after=self._loaded.invocation)
        return log_probs, layers


@contextmanager
def _contributions(model: Any) -> Iterator[dict[int, float]]:
    """Layer -> |adapted output - base output| / |base output|, root mean square over its modules; filled on leaving."""
    import torch
    from peft.tuners.tuners_utils import BaseTunerLayer

    sums: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
    outputs: dict[str, torch.Tensor] = {}
    handles = []
    for name, module in model.named_modules():
        layer = next((int(part) for part in name.split(".") if part.isdigit()), None)
        if not isinstance(module, BaseTunerLayer) or layer is None:
            continue

        def keep(_: Any, __: Any, output: Any, name: str = name) -> None:
            if isinstance(first := _first(output), torch.Tensor):  # a shadow's state is carried beside the base's
                outputs[name] = first

        def add(_: Any, __: Any, output: Any, name: str = name, layer: int = layer) -> None:
            before = outputs.pop(name, None)
            after = _first(output)
            # some change the base layer's weights, and never call it
            if before is not None and isinstance(after, torch.Tensor):
                sums[layer][0] += float((after - before).float().square().sum())
                sums[layer][1] += float(before.float().square().sum())

        handles += [module.get_base_layer().register_forward_hook(keep), module.register_forward_hook(add)]
    found: dict[int, float] = {}
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
        found.update({layer: (added / base) ** 0.5 if base else 0.0 for layer, (added, base) in sorted(sums.items())})


def _first(output: Any) -> Any:
    """A module's output, or the first of several: routers give their logits, and what they chose by them."""
    return output[0] if isinstance(output, tuple) else output
