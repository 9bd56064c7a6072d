"""Checks that run the model: does the adapter act, and does it act the same once merged?"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from harness.gates import Check
from harness.integrity.probe import mean_kl, probe_log_probs

if TYPE_CHECKING:
    from harness.models.loading import LoadedModel


def changes_the_base(loaded: LoadedModel, *, least_kl: float) -> Check:
    """The candidate's next-token distributions differ from the base's.

    Args:
        least_kl: mean KL(base || candidate) on the probe texts, nats a token, that counts as a difference.
    """
    with loaded.adapter(on=False) as model:
        base = probe_log_probs(loaded, model)
    with loaded.adapter(on=True) as model:
        candidate = probe_log_probs(loaded, model)
    kl = mean_kl(base, candidate)
    details = {"kl_nats_per_token": kl, "limit": least_kl, "positions": len(base)}
    if not kl >= least_kl:  # NaN does not hold either
        return Check(
            "effect",
            holds=False,
            reason=f"the adapter leaves the base's predictions as they are (mean KL {kl:.2g} nats a token)",
            remedy="check the scale (alpha/r), that B is trained, and that the adapter was made for this base",
            details=details,
        )
    return Check("effect", holds=True, reason=f"mean KL from the base is {kl:.2g} nats a token", details=details)


def merges_cleanly(loaded: LoadedModel, *, most_kl: float) -> Check:
    """Merged into the base weights, in the precision in use, the adapter acts as it does unmerged.

    The base weights are put back bit for bit afterwards.

    Args:
        most_kl: largest mean KL(unmerged || merged) on the probe texts, nats a token.
    """
    unmerged = probe_log_probs(loaded, loaded.model)
    with _merged(loaded.model):
        merged = probe_log_probs(loaded, loaded.model)
    kl = mean_kl(unmerged, merged)
    details = {"kl_nats_per_token": kl, "limit": most_kl, "positions": len(merged)}
    if not kl <= most_kl:
        return Check(
            "merge",
            holds=False,
            reason=f"merged, the adapter acts differently (mean KL {kl:.2g} nats a token, {most_kl:.2g} allowed)",
            remedy="serve it unmerged, or merge in a higher precision onto the base it was trained on",
            details=details,
        )
    return Check("merge", holds=True, reason=f"merged equals unmerged (mean KL {kl:.2g} nats a token)", details=details)


@contextlib.contextmanager
def _merged(model: Any) -> Iterator[None]:
    """The adapter merged into its base layers, and the exact base weights back on leaving.

    PEFT's own unmerge subtracts what it added, which does not restore bfloat16 weights.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
    quantized = [(m, m.base_layer) for m in layers if any(not p.is_floating_point() for p in m.base_layer.parameters())]
    dense = [p for m in layers for p in m.base_layer.parameters() if p.is_floating_point()]
    kept = [p.detach().clone() for p in dense]
    for layer, weights in quantized:
        layer.base_layer = copy.deepcopy(weights)  # a merge quantises anew and replaces scales and all
    try:
        model.merge_adapter()
        yield
    finally:
        try:
            model.unmerge_adapter()
        finally:
            for parameter, value in zip(dense, kept, strict=True):
                parameter.data.copy_(value)
            for layer, weights in quantized:
                layer.base_layer = weights
