"""What base and candidate say to the probe texts: asked once, and looked at by several checks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.integrity.probe import probe_log_probs

if TYPE_CHECKING:
    import torch

    from harness.models.loading import LoadedModel


class Observed:
    """Base and candidate as they answered when first asked.

    Args:
        loaded: a model with an adapter, which nothing changes meanwhile.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded = loaded

    @cached_property
    def base(self) -> torch.Tensor:
        """Log-probabilities with the adapter off, of shape (positions, vocabulary)."""
        with self._loaded.adapter(on=False) as model:
            return probe_log_probs(self._loaded, model)

    @property
    def candidate(self) -> torch.Tensor:
        """The same with the adapter on."""
        return self._candidate_and_layers[0]

    @property
    def layers(self) -> Mapping[int, float]:
        """Layer -> how large what the adapter adds to its modules' outputs is, beside those outputs."""
        return self._candidate_and_layers[1]

    @cached_property
    def _candidate_and_layers(self) -> tuple[torch.Tensor, Mapping[int, float]]:
        with self._loaded.adapter(on=True) as model, _contributions(model) as layers:
            log_probs = probe_log_probs(self._loaded, model)
        return log_probs, layers


@contextmanager
def _contributions(model: Any) -> Iterator[dict[int, float]]:
    """Layer -> |adapted output - base output| / |base output|, root mean square over its modules; filled on leaving."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    sums: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
    outputs: dict[str, torch.Tensor] = {}
    handles = []
    for name, module in model.named_modules():
        layer = next((int(part) for part in name.split(".") if part.isdigit()), None)
        if not isinstance(module, BaseTunerLayer) or layer is None:
            continue

        def keep(_: Any, __: Any, output: Any, name: str = name) -> None:
            outputs[name] = output

        def add(_: Any, __: Any, output: Any, name: str = name, layer: int = layer) -> None:
            before = outputs.pop(name)
            sums[layer][0] += float((output - before).float().square().sum())
            sums[layer][1] += float(before.float().square().sum())

        handles += [module.get_base_layer().register_forward_hook(keep), module.register_forward_hook(add)]
    found: dict[int, float] = {}
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
        found.update({layer: (added / base) ** 0.5 if base else 0.0 for layer, (added, base) in sorted(sums.items())})
