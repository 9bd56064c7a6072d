"""What base and candidate say to the probe texts, asked once and compared."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.gates import Check
from harness.models.probing import probe_log_probs

if TYPE_CHECKING:
    import torch

    from harness.models.loading import LoadedModel


def mean_kl(reference: torch.Tensor, other: torch.Tensor) -> float:
    """Mean Kullback-Leibler divergence KL(reference || other) over positions, in nats a token.

    Args:
        reference: log-probabilities of shape (positions, vocabulary).
        other: the same shape.
    """
    # rounding may put equal distributions just below zero; NaN stays NaN
    return float((reference.exp() * (reference - other)).sum(dim=-1).mean().clamp(min=0))


_CLEAR = math.log(2)


def clear_flips(reference: torch.Tensor, other: torch.Tensor) -> float:
    """Share of positions at which `other` would go on with another token than `reference`, which prefers its own at odds
    of 2 to 1 or more: a near tie that rounding breaks is no flip.

    Args:
        reference: log-probabilities of shape (positions, vocabulary).
        other: the same shape.
    """
    chosen, instead = reference.max(dim=-1).values, reference.gather(-1, other.argmax(dim=-1, keepdim=True)).squeeze(-1)
    return float((chosen - instead >= _CLEAR).float().mean())


def nan_predictions(name: str, said: Mapping[str, torch.Tensor]) -> Check | None:
    """The failed check that there is nothing to compare, where predictions are NaN; None where none is.

    Args:
        name: of the check.
        said: who -> log-probabilities of shape (positions, vocabulary); the first who is at fault is named.
    """
    for who, log_probs in said.items():
        count = int(log_probs.isnan().any(dim=-1).sum())
        if count:
            return Check(
                name,
                holds=False,
                reason=f"{count} of {len(log_probs)} predictions of the {who} are NaN: there is nothing to compare",
                remedy="values overflow in the precision in use: measure with --dtype=bfloat16 or float32; if they still "
                "do, the weights are too large: train again with a lower learning rate",
                details={"nan_positions": count, "positions": len(log_probs)},
            )
    return None


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
            return probe_log_probs(model, self._base.tokenizer)

    @property
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
            log_probs = probe_log_probs(model, self._loaded.tokenizer)
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
            outputs[name] = _first(output)

        def add(_: Any, __: Any, output: Any, name: str = name, layer: int = layer) -> None:
            before = outputs.pop(name, None)
            if before is not None:  # some change the base layer's weights, and never call it
                sums[layer][0] += float((_first(output) - before).float().square().sum())
                sums[layer][1] += float(before.float().square().sum())

        handles += [module.get_base_layer().register_forward_hook(keep), module.register_forward_hook(add)]
    found: dict[int, float] = {}
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
        found.update({layer: (added / base) ** 0.5 if base else 0.0 for layer, (added, base) in sorted(sums.items())})


def _first(output: Any) -> torch.Tensor:
    """A module's output, or the first of several: routers give their logits, and what they chose by them."""
    first: torch.Tensor = output[0] if isinstance(output, tuple) else output
    return first
